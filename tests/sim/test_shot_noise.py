"""Poisson spikes through synapses and membranes: cumulants by Campbell's theorem, from the closed form of the response.

Each spike adds a response k(t). Of Poisson input of rate r the sum has the cumulants r int k^m dt, and the covariance
r int k(t) k(t + lag) dt; in steps of dt the integrals are sums, exactly.
"""

import numpy as np
import pytest

from neurosim import sim, units

DT, TAU_MEM, TAU_SYN, WEIGHT = 1e-4, 12e-3, 5e-3, 0.3
CELLS, SETTLED, LAG = 20_000, 1500, 40  # cells that share nothing: independent samples; steps

RESPONSES = {  # synapse, state: of one spike of WEIGHT, at t after it
    ("exponential", "i_exc"): lambda t: np.exp(-t / TAU_SYN),
    ("exponential", "v"): lambda t: (np.exp(-t / TAU_SYN) - np.exp(-t / TAU_MEM)) * TAU_SYN / (TAU_SYN - TAU_MEM),
    ("alpha", "i_exc"): lambda t: t / TAU_SYN * np.exp(1 - t / TAU_SYN),
    ("delta", "v"): lambda t: np.exp(-t / TAU_MEM),
}


def sampled(synapse, state, convention):
    """The response at the ends of steps: currents begin with their step, with NEST and jumps at its end."""
    first = 1 if convention == "neurosim" and synapse != "delta" else 0
    return WEIGHT * RESPONSES[synapse, state](np.arange(first, SETTLED) * DT)


def check(values, expected, variance, n):
    """A mean of ``n`` samples of this variance lies within 4 standard errors of what is expected."""
    assert abs(values - expected) < 4 * np.sqrt(variance / n), (values, expected, np.sqrt(variance / n))


def measured(synapse, convention, state, drive):
    """States of all cells at the end of SETTLED steps and LAG steps later."""
    net = sim.Network(dt=DT, seed=11, precision="float64")
    unit = units.CurrentLIF(
        synapse=synapse, tau_mem=TAU_MEM, tau_exc=TAU_SYN, v_threshold=1e9, convention=convention
    )  # fmt: skip
    drive(net, net.population(unit, CELLS, name="cells"))
    simulation = net.build(2)
    return [simulation.run(steps * DT).state("cells")[state] for steps in (SETTLED, LAG)]


@pytest.mark.parametrize("rate", [400.0, 3000.0, 60_000.0])
@pytest.mark.parametrize("convention", ["neurosim", "nest"])
@pytest.mark.parametrize(("synapse", "state"), RESPONSES)
def test_poisson_input_has_the_cumulants_of_campbells_theorem(synapse, state, convention, rate):
    k = sampled(synapse, state, convention)
    mean, variance, third, fourth = (rate * DT * (k**m).sum() for m in range(1, 5))
    x, later = measured(synapse, convention, state, lambda net, cells: net.poisson(cells, rate, WEIGHT))
    check(x.mean(), mean, variance, CELLS)
    d = x - mean
    check((d**2).mean(), variance, fourth + 2 * variance**2, CELLS)
    # the sixth moment of a nearly normal sum, with room for what shot noise adds to it
    check((d**3).mean(), third, 15 * variance**3 + 15 * fourth * variance + 10 * third**2, CELLS)
    covariance = rate * DT * (k[:-LAG] * k[LAG:]).sum()
    fourth_joint = rate * DT * (k[:-LAG] ** 2 * k[LAG:] ** 2).sum()
    check((d * (later - mean)).mean(), covariance, variance**2 + covariance**2 + fourth_joint, CELLS)


@pytest.mark.parametrize("rate", [400.0, 3000.0])
def test_a_poisson_source_has_the_variance_of_its_at_most_one_spike_a_step(rate):
    def drive(net, cells):
        net.connect(net.poisson_source(CELLS, rate), cells, rule=sim.OneToOne(), weight=WEIGHT, port="exc")

    k = sampled("exponential", "i_exc", "neurosim")
    p = -np.expm1(-rate * DT)
    mean, variance = p * k.sum(), p * (1 - p) * (k**2).sum()
    x, _ = measured("exponential", "neurosim", "i_exc", drive)
    check(x.mean(), mean, variance, CELLS)
    check(((x - mean) ** 2).mean(), variance, 2 * variance**2 + rate * DT * (k**4).sum(), CELLS)


def test_the_sums_are_near_the_integrals_of_campbells_theorem():
    """For an exponential current: mean w r tau and variance w^2 r tau / 2; alpha: e w r tau and e^2 w^2 r tau / 4."""
    for synapse, mean, square in (("exponential", 1.0, 0.5), ("alpha", np.e, np.e**2 / 4)):
        both = [sampled(synapse, "i_exc", convention) for convention in ("neurosim", "nest")]
        for m, integral in ((1, mean), (2, square)):
            sums = [(k**m).sum() * DT for k in both]  # from the right and from the left
            assert np.mean(sums) == pytest.approx(WEIGHT**m * integral * TAU_SYN, rel=1e-3)
