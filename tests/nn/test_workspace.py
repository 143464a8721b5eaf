"""Outputs on memory that is used again: never while a tensor lives, always aligned, never kept without bound."""

import gc
import subprocess
import sys
import threading

import pytest
import torch

from neurosim import nn, units
from neurosim.nn import workspace

LARGE = (300, 1024)  # float32: more than the smallest size that is kept


@pytest.fixture(autouse=True)
def shelf(monkeypatch):
    fresh = workspace._Shelf()
    monkeypatch.setattr(workspace, "_shelf", fresh)
    return fresh


def test_memory_comes_back_when_the_last_view_is_gone(shelf):
    x = workspace.empty(LARGE, torch.float32)
    place, view = x.data_ptr(), x[10:20]
    del x
    gc.collect()
    assert shelf.kept == 0, "a view is alive"
    assert workspace.empty(LARGE, torch.float32).data_ptr() != place
    shelf.free.clear()
    shelf.kept = 0
    del view
    gc.collect()
    assert shelf.kept > 0
    assert workspace.empty(LARGE, torch.float32).data_ptr() == place


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1,), (3, 5), LARGE, (2, 77, 1001)])
def test_tensors_are_contiguous_aligned_and_of_the_size_asked_for(shape, dtype):
    x = workspace.empty(shape, dtype)
    assert x.shape == shape and x.dtype == dtype and x.is_contiguous()
    if x.nbytes >= workspace.SMALLEST:
        assert x.data_ptr() % workspace.ALIGNMENT == 0
    x.fill_(1.0)
    assert float(x.sum()) == x.numel()


def test_unused_memory_is_bounded(shelf, monkeypatch):
    monkeypatch.setattr(shelf, "limit", 3 * 2**20)
    tensors = [workspace.empty(LARGE, torch.float32) for _ in range(6)]
    del tensors
    gc.collect()
    assert 0 < shelf.kept <= 3 * 2**20


def test_an_output_that_is_kept_is_not_written_over():
    layer, x = nn.Spiking(units.LIF()), torch.rand(300, 4, 256)
    kept = layer(x)[0]
    copy = kept.clone()
    for _ in range(5):
        layer(torch.rand(300, 4, 256))
    assert torch.equal(kept, copy)


def test_threads_may_allocate_at_once():
    wrong = []

    def work(value):
        for _ in range(30):
            x = workspace.empty(LARGE, torch.float32)
            x.fill_(value)
            if not bool((x == value).all()):
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_reused_heap_spares_page_faults():
    script = """
import resource, sys, torch
from neurosim.kernels.heap import reuse_heap
assert sys.argv[1] == "plain" or reuse_heap()
x = torch.ones(10_000_000)
for _ in range(10):
    x * 2
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    x * 2
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    plain, reuse = (
        int(subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, check=True).stdout)
        for how in ("plain", "reuse")
    )
    assert reuse < plain / 10
