"""The block-wise filter against scipy's filters, and what it is worth on a synthetic cortex."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from neurosim.decode import BlockBessel
from neurosim.errors import RangeError, ShapeError


def whole(smooth, x):
    y, state = smooth(x)
    return torch.cat([y, smooth.flush(state)])


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(2, 40), st.sampled_from(["filtfilt", "carried", "causal"]), st.data())
def test_any_chunks_give_what_the_whole_gives(steps, block, way, data):
    x = torch.randn(steps, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(steps))
    smooth, state, parts, at = BlockBessel(3, 0.1, block, way), None, [], 0
    while at < steps:
        n = data.draw(st.integers(1, 30))
        y, state = smooth(x[at : at + n], state)
        parts.append(y)
        at += n
        waiting = min(at, steps) - sum(map(len, parts))
        assert 0 <= waiting < max(1, smooth.latency_steps)
    torch.testing.assert_close(torch.cat([*parts, smooth.flush(state)]), whole(smooth, x), rtol=1e-9, atol=1e-9)


def test_each_way_is_what_scipy_does():
    x = np.random.default_rng(0).normal(size=(96, 1, 2))
    b, a = signal.bessel(4, 0.05)
    given_x = torch.from_numpy(x)
    one = signal.filtfilt(b, a, x, axis=0, padlen=15)
    np.testing.assert_allclose(whole(BlockBessel(block=96), given_x), one, atol=1e-12)
    blocks = [signal.filtfilt(b, a, x[k : k + 32], axis=0, padlen=15) for k in (0, 32, 64)]
    np.testing.assert_allclose(whole(BlockBessel(), given_x), np.concatenate(blocks), atol=1e-12)
    start = signal.lfilter_zi(b, a)[:, None, None]
    there, _ = signal.lfilter(b, a, x, axis=0, zi=start * x[0])
    np.testing.assert_allclose(whole(BlockBessel(way="causal"), given_x), there, atol=1e-12)
    back = [
        signal.lfilter(b, a, there[k : k + 32][::-1], axis=0, zi=start * there[k + 31])[0][::-1] for k in (0, 32, 64)
    ]
    np.testing.assert_allclose(whole(BlockBessel(way="carried"), given_x), np.concatenate(back), atol=1e-12)


@pytest.mark.parametrize("way", ["filtfilt", "carried", "causal"])
def test_what_is_constant_stays(way):
    x = torch.full((70, 1, 1), 3.0)
    torch.testing.assert_close(whole(BlockBessel(way=way), x), x)


def synthetic_cortex(steps, channels=96, rate=250.0, seed=0):
    """Smooth velocity (steps, 2) and spikes (steps, channels) of Poisson neurons tuned to it log-linearly."""
    rng = np.random.default_rng(seed)
    low = signal.butter(2, 1.0, fs=rate, output="sos")
    velocity = signal.sosfilt(low, rng.normal(size=(steps, 2)), axis=0)
    velocity /= velocity.std(0)
    angle = rng.uniform(0, 2 * math.pi, channels)
    drive = 0.5 * velocity @ np.stack([np.cos(angle), np.sin(angle)])
    return velocity, rng.poisson(np.exp(drive) * 10.0 / rate)


def r2(found, true):
    return float(np.mean(1 - ((found - true) ** 2).sum(0) / ((true - true.mean(0)) ** 2).sum(0)))


def test_it_is_worth_its_latency_on_a_synthetic_cortex():
    velocity, spikes = synthetic_cortex(60_000)
    leaky = signal.lfilter([1.0], [1.0, -0.8], spikes, axis=0)
    seen, held_out = slice(0, 40_000), slice(40_000, None)
    design = np.column_stack([leaky, np.ones(len(leaky))])
    weights = np.linalg.lstsq(design[seen], velocity[seen], rcond=None)[0]
    raw, true = design[held_out] @ weights, velocity[held_out]
    x = torch.from_numpy(raw[:, None])
    score = {
        (way, L): r2(whole(BlockBessel(block=L, way=way), x)[:, 0].numpy(), true)
        for way in ("filtfilt", "carried") for L in (16, 32, 128)
    }  # fmt: skip
    score["causal"] = r2(whole(BlockBessel(way="causal"), x)[:, 0].numpy(), true)
    full = r2(whole(BlockBessel(block=len(x)), x)[:, 0].numpy(), true)
    print(f"raw {r2(raw, true):.3f}, full {full:.3f}, { ({k: round(v, 3) for k, v in score.items()}) }")
    for way in ("filtfilt", "carried"):
        assert score[way, 32] - r2(raw, true) >= 0.03 > 0 > score["causal"] - r2(raw, true)
        assert score[way, 16] < score[way, 32] < score[way, 128] < full
    assert score["filtfilt", 32] > score["carried", 32]
    assert BlockBessel().latency_steps * 4e-3 == pytest.approx(0.128)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: BlockBessel(order=0), RangeError, r"order: must be a whole number of at least 1, got 0"),
    (lambda: BlockBessel(block=1), RangeError, r"block: must be a whole number of at least 2, got 1"),
    (lambda: BlockBessel(wn=0.0), RangeError, r"wn: must be above 0 and below 1 .* got 0\.0"),
    (lambda: BlockBessel(wn=1.0), RangeError, r"wn: must be above 0 and below 1"),
    (lambda: BlockBessel(wn=math.nan), RangeError, r"wn: must be a finite number"),
    (lambda: BlockBessel(way="both"), RangeError, r"way: .*'filtfilt'.*'both'"),
    (lambda: BlockBessel()(torch.zeros(4, 2)), ShapeError, r"x must be \(T, B, C\), got \(4, 2\)"),
    (lambda: BlockBessel()(torch.full((4, 1, 1), math.nan)), RangeError, "x must be finite"),
    (lambda: BlockBessel()(torch.zeros(4, 1, 2), (torch.zeros(1, 1, 3), None)), ShapeError, r"state is of \(1, 3\)"),
])  # fmt: skip
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
