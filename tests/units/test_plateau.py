"""Plateau potentials: when they begin, how long they last, what they do; in the loop, in kernels, in a simulation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, sim
from neurosim.errors import RangeError
from neurosim.units import PlateauLIF

DT = 1e-3


def run(unit, soma, *dends):
    """Spikes (T,) and states by name of the unit's own functions."""
    c, s, spikes, states = unit.coefficients(DT), unit.initial(), [], []
    for x in zip(soma, *dends, strict=True):
        s, u = unit.step(s, tuple(map(float, x)), c)
        z = float(u > 0)
        s = unit.reset(s, z, c)
        spikes.append(z)
        states.append(s)
    return np.array(spikes), dict(zip(unit.state, np.array(states).T, strict=True))


def at(steps, total=60, amount=1.0):
    x = np.zeros(total)
    np.add.at(x, steps, amount)
    return x


@pytest.mark.parametrize("needed", [1, 4, 17])
@pytest.mark.parametrize("given", [-1, 0, 3])
def test_a_plateau_needs_the_threshold_count_and_no_more(needed, given):
    unit = PlateauLIF(coincident=needed)
    _, states = run(unit, at([]), at([10], amount=needed + given))
    assert states["up"].any() == (given >= 0)


@pytest.mark.parametrize("window", [1, 2, 5, 12])
def test_input_counts_together_exactly_within_the_window(window):
    """The step of the first is step 0 of the window: lags 0 .. window - 1 count, lag window does not."""
    unit = PlateauLIF(coincident=2, window=window * DT)
    found = [run(unit, at([]), at([10, 10 + lag]))[1]["up"].any() for lag in range(window + 4)]
    assert found == [lag < window for lag in range(window + 4)]


@pytest.mark.parametrize("length", [1, 7, 30])
def test_a_plateau_lasts_its_steps_and_a_second_count_begins_it_anew(length):
    unit = PlateauLIF(coincident=3, plateau=length * DT)
    on = run(unit, at([]), at([10] * 3))[1]["up"] > 0
    assert np.flatnonzero(on).tolist() == list(range(10, 10 + length))
    again = run(unit, at([]), at([10] * 3 + [13] * 3))[1]["up"] > 0
    assert np.flatnonzero(again).tolist() == sorted({*range(10, 10 + length), *range(13, 13 + length)})


def test_soma_input_fires_during_a_plateau_only_and_a_plateau_alone_never():
    unit = PlateauLIF(coincident=3, plateau=20 * DT, boost=0.6)
    dend = at([10] * 3)
    for step in range(60):
        spikes, _ = run(unit, at([step], amount=0.5), dend)
        # what is left of 0.5 after k steps, 0.5 exp(-k / 20), is above 0.4 for k <= 4: shortly before also fires
        assert spikes.any() == (6 <= step < 30), step
    assert not run(unit, at([]), at(np.arange(60), amount=100.0))[0].any()
    assert run(unit, at([50], amount=1.01), at([]))[0].any()


def test_branches_count_apart_and_add_up():
    unit = PlateauLIF(coincident=2, branches=3, boost=0.3, plateau=10 * DT)
    assert unit.ports == ("soma", "dend_0", "dend_1", "dend_2")
    apart = run(unit, at([]), at([5]), at([5]), at([5]))[1]
    assert not any(apart[f"up_{k}"].any() for k in range(3))
    fired = [
        run(unit, at([6], amount=0.5), *(at([5] * 2 if k < ups else []) for k in range(3)))[0].any() for ups in range(4)
    ]
    assert fired == [False, False, True, True]


def counted(x, needed, window, plateau):
    """Whether a branch is up in each step, by looking at the list of its input steps; another way than the unit's."""
    up, opened, total, until = [], None, 0, -1
    for t, amount in enumerate(x):
        if opened is not None and t - opened >= window:
            opened = None
        if opened is None and amount:
            opened, total = t, 0
        if opened is not None:
            total += amount
            if total >= needed:
                until, opened = t + plateau, None
        up.append(t < until)
    return up


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3]), min_size=1, max_size=80), st.integers(1, 7), st.integers(1, 9),
       st.integers(1, 12))  # fmt: skip
def test_random_input_goes_up_when_counting_says_so(x, needed, window, plateau):
    unit = PlateauLIF(coincident=needed, window=window * DT, plateau=plateau * DT)
    up = run(unit, np.zeros(len(x)), x)[1]["up"] > 0
    assert up.tolist() == counted(x, needed, window, plateau)


def test_a_simulation_and_a_layer_give_the_spikes_of_the_loop():
    rng = np.random.default_rng(0)
    unit = PlateauLIF(coincident=3, branches=2, boost=0.4)
    steps, n = 400, 70
    soma, dends = rng.random((steps, n)) < 0.15, [rng.random((steps, n)) < 0.2 for _ in range(2)]
    want = np.array([run(unit, 0.25 * soma[:, i], *(d[:, i] for d in dends))[0] for i in range(n)]).T
    assert 0.01 < want.mean() < 0.5
    net = sim.Network(dt=DT, precision="float64")
    cells = net.population(unit, n, name="cells")
    for port, x in zip(unit.ports, (soma, *dends), strict=True):
        t, i = np.nonzero(x)
        source = net.spike_times(n, t * DT, i)
        net.connect(source, cells, rule=sim.OneToOne(), weight=0.25 if port == "soma" else 1.0, port=port)
    net.probe(cells)
    spikes = net.run((steps + 1) * DT, threads=2).spikes("cells")
    found = np.zeros((steps + 1, n))
    found[np.rint(spikes.times / DT).astype(int), spikes.neurons] = 1
    np.testing.assert_array_equal(found[1:], want)  # a synapse takes a step
    x = tuple(torch.from_numpy(a.astype(float)).unsqueeze(1) for a in (0.25 * soma, *dends))
    np.testing.assert_array_equal(nn.Spiking(unit, dt=DT)(x)[0][:, 0], want)


def test_soma_weights_train_and_the_boost_does():
    layer = nn.Spiking(PlateauLIF(coincident=1), learn=("boost", "tau_mem"))
    soma, dend = torch.full((40, 1, 3), 0.02, requires_grad=True), torch.ones(40, 1, 3, requires_grad=True)
    layer((soma, dend))[0].sum().backward()
    assert (soma.grad > 0).all() and layer.raw_boost.grad > 0 and layer.raw_tau_mem.grad != 0
    assert (dend.grad == 0).all()  # as the docstring says


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"coincident": 0}, r"coincident: must be > 0"),
        ({"boost": 0.0}, r"boost: must be > 0"),
        ({"boost": 1.0}, r"boost: must be below v_threshold = 1, or a plateau fires by itself, got 1"),
        ({"window": 0.0}, r"window: must be > 0 s"),
        ({"window": 20.0}, r"window.*did you mean 20e-3"),
        ({"plateau": -0.1}, r"plateau: must be > 0 s"),
        ({"v_threshold": float("nan")}, r"v_threshold: must be a finite number"),
        ({"branches": 0}, r"branches: must be a whole number in 1\.\.64, got 0"),
        ({"branches": 1.5}, r"branches: must be a whole number"),
        ({"tau_mem": 0.0}, r"tau_mem: must be > 0 s"),
    ],
)
def test_bad_parameters_are_refused(given, message):
    with pytest.raises(RangeError, match=message):
        PlateauLIF(**given)


def test_periods_below_a_step_and_trained_ones_are_refused():
    with pytest.raises(RangeError, match=r"window: 0.0004 s is less than half a step of dt = 0.001 s"):
        PlateauLIF(window=4e-4).coefficients(DT)
    with pytest.raises(RangeError, match=r"plateau: is a whole number of steps, so it has no gradient"):
        nn.Spiking(PlateauLIF(), learn=("plateau",))((torch.zeros(3, 1, 1), torch.zeros(3, 1, 1)))
