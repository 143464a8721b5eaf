"""What a unit's functions may do, and what is said about the rest."""

import ast
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from neurosim import nn, testing, units
from neurosim.errors import RangeError, UnsupportedError
from neurosim.kernels import codegen
from neurosim.kernels.adjoint import derive_adjoint
from neurosim.kernels.trace import Program, trace
from neurosim.units import Unit
from neurosim.units.ops import minimum, sqrt, where


@dataclass(frozen=True)
class Plain(Unit):
    """The smallest unit; tests replace one function."""

    state: ClassVar = ("v",)
    coeffs: ClassVar = ("decay",)

    def coefficients(self, dt, exp=math.exp):
        return (0.9,)

    def step(self, s, x, c):
        v = c[0] * s[0] + x[0]
        return (v,), v - 1.0

    def reset(self, s, z, c):
        return (s[0] - z,)


def with_step(step):
    return dataclass(frozen=True)(type("Plain", (Plain,), {"step": step}))()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda self, s, x, c: ((s[0] if s[0] > 0 else x[0],), s[0]), r"must not branch .*ops\.where"),
        (lambda self, s, x, c: ((max(s[0], x[0]),), s[0]), "minimum, maximum"),
        (lambda self, s, x, c: ((s[0],), s[0] > 0 and x[0]), "must not branch"),
        (lambda self, s, x, c: ((math.exp(s[0]),), s[0]), r"use neurosim\.units\.ops\.exp"),
        (lambda self, s, x, c: ((s[0] ** 3,), s[0]), r"may use \*\* 2 only"),
        (lambda self, s, x, c: ((s[0] + (s[0] > 0),), s[0]), "must not calculate with a condition"),
        (lambda self, s, x, c: ((0.5 * (s[0] > 0),), s[0]), "must not calculate with a condition"),
        (lambda self, s, x, c: ((s[0] + None,), s[0]), "work on numbers only"),
    ],
)  # fmt: skip
def test_what_a_unit_must_not_do_is_answered_with_what_to_use(step, message):
    with pytest.raises(UnsupportedError, match=message):
        nn.Spiking(with_step(step))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": lambda self, s, x, c: ((s[0], s[0]), s[0])}, r"step: must return the state as a tuple of 1 \(v\)"),
        ({"step": lambda self, s, x, c: (s[0], s[0])}, r"Plain\.step: must return the state as a tuple"),
        ({"reset": lambda self, s, z, c: s[0]}, r"Plain\.reset: must return the state as a tuple"),
        ({"coefficients": lambda self, dt, exp=math.exp: (1.0, 2.0)}, r"coefficients must return 1 numbers"),
        ({"initial": lambda self: ()}, r"initial 1 \('v',\)"),
        ({"state": ("v", "v")}, "names must differ"),
        ({"state": ()}, "at least one state"),
    ],
)  # fmt: skip
def test_declarations_that_do_not_fit_are_refused(changes, message):
    unit = dataclass(frozen=True)(type("Plain", (Plain,), changes))()
    with pytest.raises(RangeError, match=message):
        nn.Spiking(unit)


def test_an_unknown_output_is_refused():
    with pytest.raises(RangeError, match=r"output: must be 'spikes' or a state of LIF \('v',\), got 'w'"):
        nn.Spiking(units.LIF(), output="w")
    with pytest.raises(RangeError, match="LI never spikes"):
        nn.Spiking(units.LI(), output="spikes")


def test_a_unit_that_is_no_frozen_dataclass_is_refused():
    with pytest.raises(RangeError, match=r"must be a @dataclass\(frozen=True\)"):
        nn.Spiking(dataclass(type("Loose", (Unit,), {"state": ("v",), "step": Plain.step, "reset": Plain.reset}))())


def test_a_program_survives_its_text():
    program = trace(units.AdLIF(), units.Sigmoid())
    assert Program.from_text(program.text()) == program


def test_equal_expressions_are_recorded_once_and_in_order():
    unit = with_step(lambda self, s, x, c: ((c[0] * s[0] + x[0],), c[0] * s[0] + x[0] - 1.0))
    assert trace(unit, units.SuperSpike()).step.count("c0 * s0") == 1


def call(source, *args):
    scope = {"FLOAT": np.float64, "math": math}
    exec(source, scope)
    return next(v for k, v in scope.items() if k in ("adjoint", "quiet"))(*args)


@pytest.mark.parametrize("v", [-1.0, 0.0, 0.5, 2.0])
def test_conditions_of_equality_keep_their_meaning_in_the_adjoint(v):
    unit = with_step(
        lambda self, s, x, c: ((where(s[0] == 0.5, 3.0 * s[0], where(s[0] != 2.0, s[0], 7.0 * s[0])),), s[0])
    )
    adjoint = derive_adjoint(trace(unit, units.SuperSpike()))
    g_s, *_ = call(adjoint, v, 0.0, 0.9, 1.0, 0.0, 0.0, 0.0)
    assert g_s == {0.5: 3.0, 2.0: 7.0}.get(v, 1.0)


def test_square_roots_powers_and_minimum_have_true_derivatives():
    def step(self, s, x, c):
        v = minimum(sqrt(1.0 + s[0] ** 2), c[0] / (2.0 + abs(x[0]))) + 0.1 * s[0] / (1.0 + x[0] * x[0])
        return (v,), v - 0.4

    testing.check_adjoint(with_step(step), drive=1.0)


def test_refractory_wraps_units_that_are_never_quiet():
    program = trace(units.Refractory(units.AdLIF()), units.SuperSpike())
    assert call(program.quiet, *[0.0] * program.states, *[0.0] * program.coeffs) == (False,)


def test_the_example_model_is_what_the_generator_writes():
    def code(source):
        tree = ast.parse(source)
        tree.body = tree.body[1:]  # the module's docstring
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
        return ast.dump(tree)

    text = (Path(codegen.__file__).parent / "model.py").read_text()
    assert code(text) == code(codegen.model_source(trace(units.LIF(), units.SuperSpike()), "float32"))


def test_the_surrogate_makes_no_new_forward_kernel():
    from neurosim.kernels.instantiate import instantiate

    a, b = (trace(units.LIF(), s) for s in (units.Boxcar(), units.Sigmoid()))
    assert instantiate("dense_forward", a, "float32") is instantiate("dense_forward", b, "float32")
    assert instantiate("dense_backward", a, "float32") is not instantiate("dense_backward", b, "float32")


def test_redefining_a_unit_makes_a_new_kernel():
    x, spikes = torch.full((5, 1, 1), 2.0), []
    for threshold in (1.0, 5.0):
        step = lambda self, s, x, c, th=threshold: ((x[0],), x[0] - th)  # noqa: E731
        spikes.append(float(nn.Spiking(with_step(step))(x)[0].sum()))
    assert spikes == [5.0, 0.0]
