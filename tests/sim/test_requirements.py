"""The simulation needs NumPy, Numba and h5py, and nothing else that is installed."""

import os
import subprocess
import sys

SCRIPT = """
import sys
from importlib.abc import MetaPathFinder

ALLOWED = {"neurosim", "numpy", "numba", "llvmlite", "h5py"}

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in ALLOWED and root not in sys.stdlib_module_names and not root.startswith("neurosim_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
for name in ("torch", "scipy", "typer", "rich", "matplotlib", "sympy", "safetensors"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} can be imported: the test checks nothing")

import numpy as np
from neurosim import sim, units
from neurosim.graph import Graph

net = sim.Network(dt=1e-4, seed=3)
exc = net.population(units.CurrentLIF(tau_mem=20e-3, refractory=2e-3), 80, name="exc")
inh = net.population(units.LIF(), 20, name="inh")
noise = net.poisson_source(30, 200.0)
net.connect(noise, exc, rule=sim.FixedInDegree(5), weight=5.0)
net.connect(exc, inh, rule=sim.Bernoulli(0.2), weight=sim.Normal(0.5, 0.1), delay=sim.Uniform(1e-3, 2e-3))
net.connect(inh, exc, rule=sim.AllToAll(), weight=-2.0, port="inh")
net.poisson(exc, 2000.0, 1.0)
net.current(inh, 0.06)
net.probe(exc)
net.probe(inh)
v = net.probe(exc, "v", every=10)

whole = net.run(0.1, threads=2)
graph = net.graph()
graph.save("net.graph")
assert Graph.load("net.graph") == graph
sim.Simulation(graph, 1).run(0.04).save("half.npz")
again = sim.Simulation.restore(Graph.load("net.graph"), "half.npz", threads=2).run(0.06)
for name in (exc, inh):
    assert len(whole.spikes(name)) > 10, len(whole.spikes(name))
    assert np.array_equal(again.spikes(name).times, whole.spikes(name).times)
assert np.array_equal(again.trace(v)[1], whole.trace(v)[1])
print("works without", not {m.partition(".")[0] for m in sys.modules} & {"torch", "scipy", "typer", "rich"})
"""


def test_networks_run_where_only_numpy_numba_and_h5py_can_be_imported(tmp_path):
    environment = os.environ | {"NEUROSIM_CACHE": str(tmp_path)}  # so that kernels are also made there
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
    )
    assert done.stdout.strip() == "works without True", done.stderr
