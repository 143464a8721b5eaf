"""Kernels under forks, threads, cold and warm caches, and imports."""

import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from processes import run
from torch.utils.data import DataLoader, Dataset

from neurosim import nn, units
from neurosim.errors import NeurosimWarning
from neurosim.kernels import instantiate, pool
from neurosim.kernels.codegen import BLOCK

LARGE = (64, 4, BLOCK)  # four blocks and ten times the smallest job: several threads run
LAYER = nn.Spiking(units.LIF())


def large(seed):
    return torch.rand(*LARGE, generator=torch.Generator().manual_seed(seed))


class InWorkers(Dataset):
    """Items that are computed by a kernel, with the pool."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        torch.get_num_threads = lambda: 2  # only the kernels': torch's own OpenMP threads do not survive a fork
        return LAYER(large(i))[0].numpy().sum(0)


def test_forked_workers_may_call_kernels_after_their_parent():
    torch.set_num_threads(2)
    want = [LAYER(large(i))[0].numpy().sum(0) for i in range(4)]
    loader = DataLoader(InWorkers(), batch_size=None, num_workers=2, multiprocessing_context="fork", timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks in threaded processes
        got = list(loader)
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


def test_two_threads_may_call_kernels_at_once():
    torch.set_num_threads(2)
    rec = nn.Recurrent(units.LIF(), 16)
    inputs = [torch.rand(64, 64, 16, generator=torch.Generator().manual_seed(i)) for i in range(6)]

    def work(i):
        x = inputs[i].clone().requires_grad_()
        y, _ = rec(x)
        z, _ = LAYER(large(i))
        y.sum().backward()
        return y.detach(), z, x.grad

    want, got = [work(i) for i in range(6)], [None] * 6
    threads = [
        threading.Thread(target=lambda k=k: [got.__setitem__(i, work(i)) for i in range(k, 6, 2)]) for k in (0, 1)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(got, want, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("learn", [(), ("tau_mem",)])
def test_results_do_not_depend_on_the_number_of_threads(learn):
    results = []
    for n in (1, 2):
        torch.set_num_threads(n)
        layer, x = nn.Spiking(units.LIF(), learn=learn), large(0).requires_grad_()
        y, _ = layer(x)
        y.square().sum().backward()
        results.append([y, x.grad, *(p.grad for p in layer.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.fixture(params=["openmp", "pool"])
def runtime(request, monkeypatch):
    """Both ways to run ranges, whatever is loaded here."""
    if request.param == "openmp" and pool.openmp() is None:
        pytest.skip("no OpenMP runtime is loaded in this process")
    if request.param == "pool":
        monkeypatch.setattr(pool, "openmp", lambda: None)


@pytest.mark.usefixtures("runtime")
def test_an_error_in_another_thread_reaches_the_caller():
    def job(first, last):
        if first:
            raise ValueError(f"block {first}")

    with pytest.raises(ValueError, match="block 2"):
        pool.run_ranges(job, 4, 10**6, 2)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("blocks", [1, 2, 5, 7])
def test_every_block_is_covered_once(blocks, threads):
    seen, workers = [], set()

    def job(first, last):
        seen.extend(range(first, last))
        workers.add(threading.get_ident())

    pool.run_ranges(job, blocks, 10**7, threads)
    assert sorted(seen) == list(range(blocks))
    assert len(workers) <= threads


@pytest.mark.usefixtures("runtime")
def test_ranges_run_at_the_same_time():
    meeting = threading.Barrier(2, timeout=30)
    pool.run_ranges(lambda first, last: meeting.wait(), 2, 10**6, 2)


FIRST_SPIKE = """
import time, torch
start = time.perf_counter()
from neurosim import nn, units
y, _ = nn.Spiking(units.LIF())(torch.full((100, 1, 4), 0.1))
print(int(y.sum()), time.perf_counter() - start)
"""


def test_a_second_process_spikes_soon_after_importing_torch():
    run(FIRST_SPIKE)
    times = []
    for _ in range(2):
        spikes, seconds = run(FIRST_SPIKE).split()
        assert spikes == "28"
        times.append(float(seconds))
    print(f"first spike {min(times):.2f} s after import torch (warm cache)")
    assert min(times) < 3


IMPORT = """
import sys, time, torch
start = time.perf_counter()
import neurosim, neurosim.nn
seconds = time.perf_counter() - start
heavy = {"numba", "llvmlite", "sympy", "matplotlib", "h5py", "sklearn", "tonic", "scipy", "snntorch"}
print(seconds, *sorted(heavy & set(sys.modules)))
"""


def test_import_is_quick_and_loads_nothing_heavy():
    before = run("import sys, torch; print(*sorted({'sympy', 'scipy', 'h5py'} & set(sys.modules)))").split()
    results = [run(IMPORT).split() for _ in range(3)]
    seconds = min(float(r[0]) for r in results)
    print(f"import neurosim, neurosim.nn: {seconds:.3f} s beyond torch")
    assert [m for m in results[0][1:] if m not in before] == []
    assert seconds < 0.3


UNIT = """
import math, torch
from dataclasses import dataclass
from typing import ClassVar
from neurosim import nn
from neurosim.units import Unit

@dataclass(frozen=True)
class Mine(Unit):
    state: ClassVar = ("v",)
    def coefficients(self, dt, exp=math.exp):
        return ()
    coeffs: ClassVar = ()
    def step(self, s, x, c):
        v = 0.5 * s[0] + x[0]
        return (v,), v - 0.9
    def reset(self, s, z, c):
        return (s[0] - 0.9 * z,)

x = torch.full((8, 1, 2), 0.6, requires_grad=True)
y, _ = nn.Spiking(Mine())(x)
y.sum().backward()
print(int(y.sum()), bool((x.grad != 0).any()))
"""


def test_a_unit_of_a_script_works_and_editing_it_makes_a_new_kernel(tmp_path):
    script = tmp_path / "script.py"
    counts = []
    for text in (UNIT, UNIT.replace("0.9", "0.5")):
        script.write_text(text)
        out = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
        assert out.returncode == 0, out.stderr
        counts.append(out.stdout.split())
    assert [c[1] for c in counts] == ["True", "True"]
    assert int(counts[0][0]) < int(counts[1][0])


def test_a_unit_of_a_notebook_cell_works_without_a_source_file():
    scope = {"__name__": "__main__"}
    exec(compile(UNIT, "<ipython-input-1>", "exec"), scope)
    assert scope["y"].sum() > 0


def test_an_unwritable_cache_is_a_warning_and_kernels_still_run(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("NEUROSIM_CACHE", str(blocked / "cache"))
    with pytest.warns(NeurosimWarning, match="kernels are compiled anew in each process. Set NEUROSIM_CACHE"):
        folder = instantiate._usable(instantiate.cache_folder())
    assert folder.is_dir()
    out = run("import warnings; warnings.simplefilter('ignore')\n" + FIRST_SPIKE, cache=blocked / "cache")
    assert out.split()[0] == "28"


def test_two_processes_may_race_on_a_cold_cache(tmp_path):
    import os

    env = os.environ | {"NEUROSIM_CACHE": str(tmp_path / "cold")}
    both = [
        subprocess.Popen([sys.executable, "-c", FIRST_SPIKE], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
        assert out.split()[0] == b"28"
    assert len(list((tmp_path / "cold" / "kernels").glob("*.py"))) == 1
    assert not list((tmp_path / "cold" / "kernels").glob(".*.part"))
