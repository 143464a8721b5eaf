"""The sequence block and the language model: against a plain loop, chunk by chunk, at constant memory, and learning."""

import gc
import math
import tracemalloc

import pytest
import torch

from neurosim import nn, units
from neurosim.errors import NeurosimError, NotLowerableError, RangeError, ShapeError, UnsupportedError
from neurosim.testing import Spike
from neurosim.units import LI, LIF, AstroLIF, Decay

TEXT = (
    b"It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it "
    b"was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    b"Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing "
    b"before us, we were all going direct to Heaven, we were all going direct the other way. "
)  # Charles Dickens, A Tale of Two Cities, 1859


def model(width=16, depth=2, **options):
    torch.manual_seed(0)
    return nn.LanguageModel(nn.AstroSNN(width, depth, **options), width)


def by_hand(block, x):
    """A block in plain torch, step by step, from the formulas of its documentation."""
    first, second = block[0].inner, block[1].inner
    norm, mixing, (w1, w2) = first[0].module, first[1], (second[1], second[4])
    slope, width, out = mixing.spikes.surrogate, x.shape[-1], []
    v, c, trace, z = (torch.zeros(x.shape[1], width, dtype=x.dtype) for _ in range(4))
    raw = {n: getattr(mixing.spikes, f"raw_{n}") for n in ("lam", "beta", "ka", "kg")}
    lam, beta, decay = (torch.sigmoid(p) for p in (raw["lam"], raw["beta"], mixing.trace.raw_tau_mem))
    for x_t in x:
        k, value, r = (norm(x_t) @ mixing.linear.weight.t() + mixing.linear.bias).chunk(3, -1)
        c = lam * c + (1 - lam) * z
        v = beta * v + k * (1 + raw["kg"] * torch.tanh(4 * c)) + 4 * raw["ka"] * c
        z = Spike.apply(v - 1, slope)
        v = v * (1 - z)
        trace = decay * trace + (1 - decay) * z * value
        y = x_t + mixing.out(torch.sigmoid(r) * trace)
        h = Spike.apply(torch.relu(second[0].module(y) @ w1.weight.t() + w1.bias) ** 2 - 1, slope)
        out.append(y + h @ w2.weight.t() + w2.bias)
    return torch.stack(out)


def test_a_block_and_its_gradients_are_what_its_formulas_say():
    torch.manual_seed(0)
    block = nn.AstroBlock(12).double()
    x = (2 * torch.randn(60, 3, 12, dtype=torch.float64)).requires_grad_()
    for name, size in (("ka", 0.2), ("kg", 0.5)):
        getattr(block[0].inner[1].spikes, f"raw_{name}").data.fill_(size)
    y, want = block(x)[0], by_hand(block, x)
    assert torch.allclose(y, want, rtol=0, atol=1e-10)
    mixing = block[0].inner[1]
    assert 0.02 < mixing.spikes(mixing.linear(x).chunk(3, -1)[0])[0].mean() < 0.9
    weights, leaves = torch.randn_like(y), [x, *block.parameters()]
    got, wanted = (torch.autograd.grad((out * weights).sum(), leaves) for out in (y, want))
    for leaf, a, b in zip(["x", *(n for n, _ in block.named_parameters())], got, wanted, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10 * float(b.abs().max() + 1)) and b.abs().max() > 0, leaf


def test_step_by_step_is_the_whole_in_float64():
    torch.manual_seed(0)
    net, x = nn.AstroSNN(12, 2).double(), 2 * torch.randn(80, 3, 12, dtype=torch.float64)
    for block in (net[0], net[1]):
        block[0].inner[1].spikes.raw_ka.data.fill_(0.2)
    whole, end = net(x)
    state, steps, sizes = None, [], set()
    for x_t in x.split(1):
        y, state = net(x_t, state)
        steps.append(y)
        sizes.add(nn.state_size(state))
    assert torch.allclose(whole, torch.cat(steps), rtol=0, atol=1e-12)
    # of each block: membrane, calcium and trace, and the membranes of twice as many units of the channel mixing
    assert sizes == {nn.state_size(end)} == {2 * 3 * 12 * 5}


def test_chunks_of_any_length_give_what_the_whole_gives():
    m, text = model(), nn.as_symbols(TEXT).unsqueeze(1)
    whole, end = m(text)
    state, parts = None, []
    for chunk in text.split([1, 1, 62, 100, len(text) - 164]):
        y, state = m(chunk, state)
        parts.append(y)
    # matrix products of other sizes may round otherwise; the state is as large as it was
    assert torch.allclose(whole, torch.cat(parts), atol=1e-4)
    assert nn.state_size(state) == nn.state_size(end)


def test_scores_do_not_depend_on_what_comes_later():
    m, text = model(), nn.as_symbols(TEXT).unsqueeze(1)
    other = text.clone()
    other[200:] = 65
    a, b = m(text)[0], m(other)[0]
    assert torch.equal(a[:200], b[:200]) and not torch.equal(a[200:], b[200:])


def test_the_state_does_not_grow_with_time_and_is_linear_in_width():
    sizes = {t: nn.state_size(model()(nn.as_symbols(TEXT[:t]).unsqueeze(1))[1]) for t in (1, 10, 300)}
    assert len(set(sizes.values())) == 1
    assert nn.state_size(model(32)(torch.zeros(5, 1, dtype=torch.long))[1]) == 2 * sizes[1]


def held():
    """Bytes of all tensors that are alive."""
    gc.collect()
    found = [t for t in gc.get_objects() if type(t) in (torch.Tensor, torch.nn.Parameter)]
    return sum(t.untyped_storage().nbytes() for t in found)


def test_generation_streams_at_constant_memory():
    m = model()
    stream, tensors, traced = m.generate(TEXT, 600, generator=torch.Generator().manual_seed(0)), [], []
    next(stream)
    tracemalloc.start()
    try:
        for _ in range(3):
            for _ in range(150):
                next(stream)
            tensors.append(held())
            traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert tensors[0] == tensors[1] == tensors[2]
    assert traced[2] - traced[1] < 10_000  # bytes, after 150 more symbols


def test_generation_follows_the_scores_and_its_generator():
    m = model()
    draw = [b"".join(m.generate(b"It was", 40, generator=torch.Generator().manual_seed(s))) for s in (1, 1, 2)]
    assert draw[0] == draw[1] != draw[2] and len(draw[0]) == 40
    cold = b"".join(m.generate(b"It was", 20, temperature=1e-4))
    best = bytearray(b"It was")
    for _ in range(20):
        best.append(int(m(nn.as_symbols(bytes(best)).unsqueeze(1))[0][-1, 0].argmax()))
    assert cold == bytes(best[6:])
    warm, draws = bytearray(b"It was"), torch.Generator().manual_seed(1)
    for _ in range(40):  # not streamed: all from the start again for each symbol
        p = torch.softmax(m(nn.as_symbols(bytes(warm)).unsqueeze(1))[0][-1, 0], 0)
        warm.append(int(torch.multinomial(p, 1, generator=draws)))
    assert draw[0] == bytes(warm[6:])
    assert torch.is_grad_enabled()
    for _ in m.generate(b"a", 3):
        assert torch.is_grad_enabled()  # between symbols the caller's setting holds


def test_bits_per_symbol_are_the_mean_negative_logarithm():
    m, text = model(), nn.as_symbols(TEXT)
    log_p = torch.log_softmax(m(text[:-1].unsqueeze(1))[0].double(), -1)[:, 0]
    want = -float(log_p.detach().gather(1, text[1:, None]).mean()) / math.log(2)
    assert nn.bits_per_symbol(m, text) == pytest.approx(want, rel=1e-4)
    assert nn.bits_per_symbol(m, text, chunk=7) == pytest.approx(want, rel=1e-4)
    with torch.no_grad():
        m.embedding.weight.zero_()
    assert nn.bits_per_symbol(m, text) == pytest.approx(8.0, abs=1e-6) and m.training  # knows nothing


class Nothing(nn.Layer):
    """Forgets what comes in."""

    def forward(self, x, state=None):
        return 0 * x, None


def test_bits_per_symbol_by_hand():
    m = nn.LanguageModel(Nothing(), 3, vocabulary=4)
    m.bias.data = torch.tensor([3.0, 1.0, 1.0, 1.0]).log()  # probabilities 1/2 and three times 1/6
    text = torch.tensor([1, 0, 0, 2, 3])
    assert nn.bits_per_symbol(m, text) == pytest.approx((1 + 1 + 2 * math.log2(6)) / 4, abs=1e-6)


@pytest.mark.parametrize("options", [{}, {"unit": LIF(tau_mem=Decay(0.9), v_reset=0.0)}], ids=["astro", "LIF"])
def test_it_learns_a_text(options):
    m, text = model(32, 1, **options), nn.as_symbols(TEXT)
    counts = torch.bincount(text).double()
    p = counts[counts > 0] / counts.sum()
    single = -float((p * p.log2()).sum())  # what the frequency of the letters alone would give
    optimizer = torch.optim.Adam(m.parameters(), lr=1e-2)
    for _ in range(80):
        at = torch.randint(len(text) - 33, (16,))
        rows = text[at + torch.arange(33).unsqueeze(1)]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(m(rows[:-1])[0].flatten(0, 1), rows[1:].flatten()).backward()
        optimizer.step()
    assert nn.bits_per_symbol(m, text) < 0.75 * single


def test_at_the_start_it_is_the_net_of_lif_units_bit_for_bit():
    lif = model(unit=LIF(tau_mem=Decay(0.9), v_reset=0.0))
    astro, text = model(), nn.as_symbols(TEXT).unsqueeze(1)
    lif.load_state_dict(astro.state_dict(), strict=False)
    for m in (astro, lif):  # beta of 0.9 comes out of a logarithm in float32
        for p in m.modules():
            if isinstance(p, nn.Spiking) and "beta" in p.learn:
                p.raw_beta.data.fill_(2.1972246)
    assert torch.allclose(astro(text)[0], lif(text)[0], atol=1e-4)


def test_without_a_trace_nothing_but_membranes_remember():
    m = nn.AstroBlock(8, trace=LI(tau_mem=Decay(0.0), gain="leak"))
    mixing = m[0].inner[1]
    assert mixing.trace.learn == {}
    x = torch.randn(30, 2, 8)
    q, _ = mixing.spikes(mixing.linear(x).chunk(3, -1)[0])
    assert torch.allclose(mixing.trace(q)[0], q)


def test_time_constants_start_spread():
    mixing = nn.AstroBlock(8)[0].inner[1]
    logits = torch.logit(mixing.trace.parameter_values()["tau_mem"])
    assert torch.allclose(logits, torch.linspace(-2, 6, 8), atol=1e-3)
    assert torch.allclose(mixing.spikes.raw_lam, torch.linspace(2, 6, 8))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.AstroSNN(0), RangeError, r"AstroBlock\.width: must be a whole number of at least 1, got 0"),
        (lambda: nn.AstroSNN(8, depth=0), RangeError, r"AstroSNN\.depth: must be a whole number"),
        (lambda: nn.AstroBlock(8, 2.5), RangeError, r"AstroBlock\.hidden.*got 2\.5"),
        (lambda: nn.AstroBlock(8, unit=AstroLIF(a_pre=0.5)), UnsupportedError, "spiking unit with one port"),
        (lambda: nn.AstroBlock(8, unit=LI()), UnsupportedError, "spiking unit with one port"),
        (lambda: nn.AstroBlock(8, trace=LIF()), UnsupportedError, r"leaky integrator such as LI\("),
        (lambda: nn.AstroBlock(8, trace=LI()), UnsupportedError, r"leaky integrator such as LI\("),
        (lambda: nn.AstroSNN(8, 1)(torch.zeros(0, 1, 8)), ShapeError, "at least one time step"),
        (lambda: nn.AstroSNN(8, 1)(torch.zeros(5, 1, 9)), ShapeError, r"AstroBlock: x must be .* with 8 at axis 2"),
        (lambda: nn.AstroSNN(8, 1)(torch.full((5, 1, 8), float("nan"))), RangeError, "must be finite, got nan"),
        (lambda: nn.AstroBlock(8)[0].inner[1](torch.rand(5, 1, 8), {}), ShapeError, "dict with spikes and trace"),
        (lambda: model()(torch.zeros(5, dtype=torch.long)), ShapeError, r"integers \(T, B\), got \(5,\)"),
        (lambda: model()(torch.zeros(5, 1)), ShapeError, r"got \(5, 1\) torch\.float32"),
        (lambda: model()(torch.zeros(0, 1, dtype=torch.long)), ShapeError, r"one step and sample, got \(0, 1\)"),
        (lambda: model()("text"), ShapeError, r"got str\. See nn\.as_symbols"),
        (lambda: model()(torch.full((2, 1), 256)), RangeError, r"must be in 0\.\.255, got 256\.\.256"),
        (lambda: model()(torch.full((2, 1), -1)), RangeError, r"got -1\.\.-1"),
        (lambda: model().generate(b"", 5), RangeError, "at least one byte, got b''"),
        (lambda: model().generate("a", 5), RangeError, "at least one byte, got 'a'"),
        (lambda: model().generate(b"a", 0), RangeError, r"length: must be a whole number of at least 1"),
        (lambda: model().generate(b"a", 5, temperature=0.0), RangeError, r"temperature: must be > 0"),
        (lambda: nn.LanguageModel(nn.AstroSNN(8, 1), 8, 100).generate(b"a", 1), RangeError, "vocabulary of 100"),
        (lambda: nn.LanguageModel(nn.AstroSNN(8, 1), 8, 0), RangeError, r"LanguageModel\.vocabulary"),
        (lambda: nn.bits_per_symbol(model(), torch.zeros(1, dtype=torch.long)), ShapeError, r"\(T,\) with T > 1"),
        (lambda: nn.bits_per_symbol(model(), torch.zeros(9, dtype=torch.long), 0), RangeError, "chunk"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_it_has_no_event_form_and_says_what_to_do():
    with pytest.raises(NotLowerableError, match=r"has no event form.*or run the model as it is"):
        nn.lower(nn.AstroSNN(8, 1), (8,))
    assert issubclass(NotLowerableError, NeurosimError) and units.AstroLIF in units.ALL
