"""Save, restore, continue: across threads, and across a kill in the middle of a run."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from neurosim import sim, units
from neurosim.errors import FormatError, OutputError, RangeError
from neurosim.sim.networks import brunel

SECONDS = 0.12


def net(seed=3):
    net = sim.Network(dt=1e-4, seed=seed)
    cells = net.population(units.CurrentLIF(refractory=2e-3, v_threshold=0.3), 300, name="cells")
    times = np.arange(0, 0.2, 7e-4)
    source = net.spike_times(5, times, np.arange(len(times)) % 5, name="source")
    noise = net.poisson_source(40, 50.0, name="noise")
    net.poisson(cells, rate=3000.0, weight=0.02, port="exc")
    net.connect(cells, cells, rule=sim.FixedInDegree(30), weight=sim.Normal(0.01, 0.004), delay=sim.Normal(3e-3, 2e-3))
    for pre in (source, noise):
        net.connect(pre, cells, rule=sim.Bernoulli(0.2), weight=0.05, delay=8e-3)
    for p in (cells, source, noise):
        net.probe(p)
    net.probe(cells, "v", neurons=[250, 3], every=7)
    net.probe(cells, "rate", every=9)
    return net


def same(a, b):
    for name in ("cells", "source", "noise"):
        x, y = a.spikes(name), b.spikes(name)
        np.testing.assert_array_equal(x.times, y.times)
        np.testing.assert_array_equal(x.neurons, y.neurons)
    for name, values in a.state("cells").items():
        np.testing.assert_array_equal(values, b.state("cells")[name])
    for probe in (3, 4):
        np.testing.assert_array_equal(a.trace(probe)[1], b.trace(probe)[1])


@pytest.mark.parametrize("threads", [(1, 1), (1, 3), (2, 1)])
@pytest.mark.parametrize("cut", [0.0, 1e-4, 0.0371])
def test_a_restored_simulation_goes_on_as_if_it_had_never_stopped(tmp_path, threads, cut):
    whole = net().run(SECONDS, threads=1)
    assert len(whole.spikes("cells")) > 200
    net().run(cut, threads=threads[0]).save(tmp_path / "c.npz")
    again = sim.Simulation.restore(net().graph(), tmp_path / "c.npz", threads[1])
    assert again.time == pytest.approx(cut)
    same(again.run(SECONDS - cut), whole)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    net().run(0.01).save(tmp_path / "c.npz")
    with pytest.raises(RangeError, match="belongs to another network"):
        sim.Simulation.restore(net(seed=4).graph(), tmp_path / "c.npz")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    path = tmp_path / "c.npz"
    net().run(0.01).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes({"cut": bytes(content[:-50]), "flip": bytes(content), "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(FormatError, match="is no checkpoint"):
        sim.Simulation.restore(net().graph(), path)


@pytest.mark.parametrize("name", ["state 0", "past steps 1", "rate 4"])
def test_a_checkpoint_that_lacks_an_array_is_refused(tmp_path, name):
    net().run(0.001).save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as file:
        np.savez(tmp_path / "less.npz", **{n: file[n] for n in file.files if n != name})
    with pytest.raises(FormatError, match=rf"lacks \['{name}'\]"):
        sim.Simulation.restore(net().graph(), tmp_path / "less.npz")


def test_nothing_is_left_of_a_checkpoint_that_cannot_be_written(tmp_path):
    simulation = net().run(0.001)
    with pytest.raises(OutputError, match="There is no folder"):
        simulation.save(tmp_path / "no" / "c.npz")
    assert not list(tmp_path.iterdir())


RUN = """
import sys
from neurosim.sim.networks import brunel
brunel(scale=0.1, seed=7).build(2).run(float(sys.argv[2]), save_to=sys.argv[1], save_every=0.02)
"""


def test_a_killed_run_continues_to_the_same_spike_train(tmp_path):
    path = tmp_path / "c.npz"
    process = subprocess.Popen([sys.executable, "-c", RUN, str(path), "100"])
    give_up = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.02)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    graph = brunel(scale=0.1, seed=7).graph()
    again = sim.Simulation.restore(graph, path, threads=1)
    assert 0 < again.step < 10**6
    again.run(0.05)
    whole = sim.Simulation(graph, threads=2).run(again.time)
    for name in ("exc", "inh"):
        a, b = again.spikes(name), whole.spikes(name)
        assert len(a) > 10
        np.testing.assert_array_equal(a.times, b.times)
        np.testing.assert_array_equal(a.neurons, b.neurons)
