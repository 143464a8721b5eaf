"""The text of a unit is read as data: nothing but what the tracer writes may be in it."""

import dataclasses
import json

import pytest
from networks import CELLS, DT

from neurosim.errors import NeurosimError
from neurosim.graph import Population
from neurosim.kernels.trace import Program, trace
from neurosim.units import ALL, IF, SIMULATION, Arctan, Refractory


def spoil(**changes):
    return json.dumps(json.loads(CELLS.program) | changes)


def step_of(*lines):
    return "\n    ".join(["def step(s0, x0, c0, c1, c2, c3, c4):", *lines, "return (s0, x0,)"]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "[" * 100_000,
        json.dumps({"name": "LIF"}),
        spoil(states=True),
        spoil(states=0),
        spoil(states=2),
        spoil(output=1),
        spoil(spiking=False),
        spoil(name="../evil"),
        spoil(name="LIF\nimport os"),
        spoil(extra=1),
        spoil(quiet="def quiet(s0, c0, c1, c2, c3, c4):\n    return (open('/etc/passwd'),)\n"),
        spoil(slope="def slope(u, k0, k1):\n    return (u.__class__,)\n"),
        spoil(step=step_of("t0 = __import__('os')")),
        spoil(step=step_of("t0 = math.__loader__")),
        spoil(step=step_of("t0 = math.factorial(s0)")),
        spoil(step=step_of("t0 = FLOAT(s0)")),
        spoil(step=step_of("t0 = 'text'")),
        spoil(step=step_of("t0 = unknown")),
        spoil(step=step_of("FLOAT = s0")),
        spoil(step=step_of("s0.x = s0")),
        spoil(step=step_of("import os")),
        spoil(step=step_of("return (s0, x0,)")),
        spoil(step=step_of("while True: pass")),
        spoil(step=step_of("t0 = [s0 for s0 in ()]")),
        spoil(step=step_of("t0 = s0 ** s0")),
        spoil(step=step_of("t0 = " + "-" * 100_000 + "s0")),
        spoil(step=step_of() + "import os\n"),
        spoil(step="@evil\n" + step_of()),
        spoil(step=step_of().replace("c4)", "c4=1)")),
        spoil(step=step_of().replace("x0,)\n", "x0, s0)\n")),
    ],
    ids=lambda t: f"{len(t)} characters",
)
def test_a_program_may_hold_nothing_but_straight_line_arithmetic(text):
    with pytest.raises(NeurosimError, match=r"Population 'cells'\.program: must be"):
        dataclasses.replace(CELLS, program=text)


@pytest.mark.parametrize("kind", (*ALL, *SIMULATION), ids=lambda k: k.__name__)
def test_every_traced_unit_is_a_program(kind):
    from neurosim.graph.program import read_program

    unit = kind()
    for u in (unit, Refractory(unit)) if kind in ALL and unit.output == "spikes" else (unit,):
        program = trace(u, Arctan(), u.output)
        assert read_program(program.text()) == program


def test_a_program_may_use_the_functions_of_ops():
    from neurosim.units import ops

    class Exponential(IF):
        def step(self, s, x, c):
            v = ops.where((s[0] < 1.0) & ~(x[0] > -2.5e-7), ops.exp(-s[0]), ops.sqrt(abs(s[0])) / 3)
            return (ops.maximum(v, ops.log(x[0])),), v - c[0]

    program = trace(Exponential(), Arctan())
    p = Population.of("p", Exponential(), 1, DT)
    assert Program.from_text(p.program) == program
