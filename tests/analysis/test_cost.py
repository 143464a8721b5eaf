"""Operation counts against counting one product at a time, against snnTorch's states, and against neurobench."""

import itertools
import json
import warnings

import pytest
import torch

from neurosim import nn, units
from neurosim.analysis import Counter, as_neurobench, measure
from neurosim.errors import NeurosimWarning, RangeError, ShapeError

LIF = units.LIF(v_threshold=0.3)
KEYS = {
    "parameters", "bytes", "connection_sparsity", "synops_per_sample", "effective_acs_per_sample",
    "effective_macs_per_sample", "dense_ops_per_sample", "spike_rate", "dead_fraction", "activation_sparsity",
    "activation_sparsity_total", "membrane_updates_per_sample", "samples",
}  # fmt: skip


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


def spikes(*shape, rate=0.4):
    return (torch.rand(*shape) < rate).float()


def prune(*layers, share=0.3):
    with torch.no_grad():
        for layer in layers:
            layer.weight[torch.rand_like(layer.weight) < share] = 0


def count_linear(x, weight):
    """Products of two non-zero numbers, one by one."""
    rows = x.reshape(-1, x.shape[-1]).tolist()
    return sum(v != 0 and w != 0 for row in rows for out in weight.tolist() for v, w in zip(row, out, strict=True))


def count_conv(x, conv, dense=False):
    """The seven loops of a convolution; taps on the padding are no operations."""
    total, (stride_y, stride_x), (pad_y, pad_x), (dil_y, dil_x) = 0, conv.stride, conv.padding, conv.dilation
    images, (out, per_group, kh, kw) = x.reshape(-1, *x.shape[-3:]), conv.weight.shape
    height, width = x.shape[-2:]
    rows = (height + 2 * pad_y - dil_y * (kh - 1) - 1) // stride_y + 1
    columns = (width + 2 * pad_x - dil_x * (kw - 1) - 1) // stride_x + 1
    for image, o, r, c in itertools.product(images, range(out), range(rows), range(columns)):
        first = o // (out // conv.groups) * per_group
        for i, a, b in itertools.product(range(per_group), range(kh), range(kw)):
            y, z = r * stride_y + a * dil_y - pad_y, c * stride_x + b * dil_x - pad_x
            if 0 <= y < height and 0 <= z < width:
                total += dense or bool(image[first + i, y, z] != 0 and conv.weight[o, i, a, b] != 0)
    return total


def synops(model, x):
    got = measure(model, x)
    names = ("effective_acs_per_sample", "effective_macs_per_sample", "dense_ops_per_sample")
    assert got["synops_per_sample"] == got[names[0]] + got[names[1]]
    return tuple(got[n] * x.shape[1] for n in names)


def test_linear_counts_every_pair_of_nonzero_input_and_weight():
    layer, x = nn.Linear(5, 4), spikes(6, 3, 5)
    prune(layer)
    assert synops(nn.Sequential(layer), x) == (count_linear(x, layer.weight), 0, 6 * 3 * 5 * 4)


def test_signed_spikes_accumulate_and_graded_inputs_multiply():
    layer, x = nn.Linear(5, 4), spikes(6, 3, 5)
    assert synops(nn.Sequential(layer), -x)[:2] == (count_linear(x, layer.weight), 0)
    assert synops(nn.Sequential(layer), 0.5 * x)[:2] == (0, count_linear(x, layer.weight))


@pytest.mark.parametrize("options", [
    {}, {"padding": 1}, {"stride": 2, "padding": 1}, {"stride": (1, 2), "padding": (2, 0), "dilation": (1, 2)},
    {"groups": 2, "padding": 1, "bias": False},
])  # fmt: skip
@pytest.mark.parametrize("wrap", [nn.Conv2d, torch.nn.Conv2d])
def test_convolution_counts_every_tap_inside_the_image(options, wrap):
    layer, x = wrap(2, 4, 3, **options), spikes(2, 2, 2, 5, 6)
    prune(layer)
    assert synops(nn.Sequential(layer), x) == (count_conv(x, layer), 0, count_conv(x, layer, dense=True))


def test_recurrent_weights_are_read_by_the_spikes_of_the_step_before():
    layer, x = nn.Recurrent(LIF, 4, scale=0.5), 0.5 * spikes(12, 3, 4)
    prune(layer)
    z, _ = layer(x)
    assert z[:-1].any()
    assert synops(nn.Sequential(layer), x) == (count_linear(z[:-1], layer.weight), 0, 12 * 3 * 16)


def test_a_whole_network_adds_up_over_layers_and_batches():
    conv, linear, rec = nn.Conv2d(2, 3, 3, padding=1), torch.nn.Linear(12, 6), nn.Recurrent(LIF, 6)
    model = nn.Sequential(conv, nn.Spiking(LIF), nn.AvgPool2d(2), nn.Flatten(), linear, rec, nn.Linear(6, 2))
    prune(conv, linear, rec)
    batches, acs, macs = [spikes(5, size, 2, 4, 4) for size in (2, 3)], 0, 0
    with Counter(model) as counter:
        for x in batches:
            model(x)
    for x in batches:
        pooled = nn.AvgPool2d(2)(model[1](conv(x)[0])[0])[0].flatten(2)
        z, _ = rec(linear(pooled))
        acs += count_conv(x, conv) + count_linear(z[:-1], rec.weight) + count_linear(z, model[6].weight)
        macs += count_linear(pooled, linear.weight)
    got = counter.result()
    assert set(got) == KEYS
    assert got["samples"] == 5
    assert (got["effective_acs_per_sample"], got["effective_macs_per_sample"]) == (acs / 5, macs / 5)
    assert set(got["spike_rate"]) == set(got["activation_sparsity"]) == {"1", "5"}
    json.dumps(got)


def test_chunks_cost_what_the_whole_recording_costs():
    model = nn.Sequential(nn.Linear(4, 5), nn.Recurrent(LIF, 5), nn.Linear(5, 3), nn.Spiking(units.CubaLIF()))
    x = spikes(10, 2, 4)
    with Counter(model) as counter:
        _, state = model(x[:4])
        model(x[4:], state=state)
    assert counter.result() == measure(model, x)


def test_static_counts_are_those_of_the_module():
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Recurrent(LIF, 5, learn=("tau_mem",)))
    with torch.no_grad():
        model[0].weight[0] = 0
    got = measure(model, spikes(3, 2, 4))
    assert got["parameters"] == 4 * 5 + 5 + 2 * 5 + 5 * 5 + 1
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    assert got["bytes"] == 4 * got["parameters"] + buffers
    assert got["connection_sparsity"] == 4 / (20 + 25)


def test_rates_and_sparsity_are_means_over_steps_samples_and_neurons():
    model = nn.Sequential(nn.Linear(4, 5), nn.Spiking(LIF), torch.nn.ReLU())
    with torch.no_grad():
        model[0].weight[2], model[0].bias[2] = 0, 0  # a neuron without input
    with Counter(model) as counter:
        ys = [model(spikes(8, size, 4))[0] for size in (2, 3)]
    y = torch.cat(ys, 1).detach()
    got = counter.result()
    assert got["spike_rate"]["1"] == pytest.approx(float(y.mean()))
    zeros = float((y == 0).double().mean())
    assert got["activation_sparsity"] == pytest.approx({"1": zeros, "2.module": zeros})
    assert got["activation_sparsity_total"] == pytest.approx(zeros)
    assert got["dead_fraction"]["1"] == float((y.sum((0, 1)) == 0).double().mean()) >= 0.2
    torch.testing.assert_close(counter.rates()["1"], y.double().mean((0, 1)))


def test_membrane_updates_count_the_steps_in_which_v_changed():
    layer = nn.Spiking(units.IF())
    x = torch.zeros(6, 1, 3)
    x[2, 0, 0] = x[4, 0, 0] = x[5, 0, 1] = 0.25  # integrators without leak move only on input
    assert measure(nn.Sequential(layer), x)["membrane_updates_per_sample"] == 3 + 3
    _, state = layer(x[:1])
    with Counter(nn.Sequential(layer)) as counter:
        counter.model(x[:1])
        counter.model(x[1:], (state,))
    assert counter.result()["membrane_updates_per_sample"] == 3 + 3


def test_readouts_count_as_membranes_but_not_as_spiking_layers():
    got = measure(nn.Sequential(nn.Linear(3, 2), nn.Readout("membrane")), spikes(7, 2, 3))
    assert got["membrane_updates_per_sample"] == 7 * 2
    assert got["spike_rate"] == {} == got["activation_sparsity"]
    assert got["activation_sparsity_total"] == 0


def test_measure_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Spiking(LIF))
    model[1].eval()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    measure(model, spikes(3, 2, 3))
    assert [m.training for m in model.modules()] == [True, True, False, True, True]
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())
    with pytest.raises(ShapeError, match="layer '0'"):
        measure(model, spikes(3, 2, 9))
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_counting_keeps_the_gradient():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Recurrent(LIF, 4)), spikes(5, 2, 3)
    model(x)[0].sum().backward()
    wanted = model[0].weight.grad.clone()
    model.zero_grad()
    with Counter(model):
        model(x)[0].sum().backward()
    assert torch.equal(model[0].weight.grad, wanted)


def test_layers_that_are_not_counted_are_named():
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4), torch.nn.Linear(3, 3))
    with pytest.warns(NeurosimWarning, match=r"'0' \(LSTM\) are not counted"), Counter(model):
        pass


def test_bad_input_is_named():
    with pytest.raises(RangeError, match=r"Counter\.model"):
        Counter("model")
    with pytest.raises(RangeError, match="no sample was counted"), Counter(nn.Linear(2, 2)) as counter:
        counter.result()
    with pytest.raises(ShapeError, match=r"time first, got \(2,\)"):
        measure(torch.nn.Linear(2, 2), torch.ones(2))
    model = nn.Spiking(LIF)
    with pytest.raises(ShapeError, match="'Spiking' has neurons"), Counter(model):
        model(spikes(3, 2, 4))
        model(spikes(3, 2, 5))


@pytest.fixture(scope="module")
def neurobench():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("neurobench.metrics.workload", reason="neurobench is not installed")


def run_neurobench(net, x, forward, wrapper):
    """All metrics of neurobench on one batch."""
    from neurobench.metrics import static, workload

    model = wrapper(net)
    model.register_hooks()
    forward(net, x)
    data = (x.transpose(0, 1),)
    got = {name: getattr(static, name)()(model) for name in ("Footprint", "ParameterCount", "ConnectionSparsity")}
    for name in ("ActivationSparsity", "SynapticOperations", "MembraneUpdates"):
        got[name] = getattr(workload, name)()(model, None, data)
    model.cleanup_hooks()
    return got


def test_connections_cost_what_neurobench_says(neurobench):
    from neurobench.models import TorchModel

    conv, linear = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), torch.nn.Linear(4, 2)
    prune(conv, linear)
    model = nn.Sequential(
        conv, nn.Spiking(LIF), nn.Flatten(), torch.nn.Linear(27, 9), nn.Spiking(LIF), torch.nn.Linear(9, 4), linear
    )
    x = spikes(6, 3, 2, 6, 6)
    wanted = run_neurobench(model, x, lambda net, x: net(x), TorchModel)
    got = as_neurobench(measure(model, x))
    assert got["SynapticOperations"] == pytest.approx(wanted["SynapticOperations"])
    assert got["SynapticOperations"]["Effective_MACs"] > 0 < got["SynapticOperations"]["Effective_ACs"]
    assert (got["Footprint"], got["ParameterCount"]) == (wanted["Footprint"], wanted["ParameterCount"])
    assert got["ConnectionSparsity"] == pytest.approx(wanted["ConnectionSparsity"], abs=5e-5)


def test_activity_costs_what_neurobench_says_of_the_same_network_in_snntorch(neurobench):
    import snntorch
    from neurobench.models import SNNTorchModel

    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 6), snntorch.Leaky(beta=0.875, init_hidden=True),
        torch.nn.Linear(6, 3), snntorch.Leaky(beta=0.875, init_hidden=True, output=True),
    )  # fmt: skip
    unit = units.DelayedResetLIF(beta=0.875)
    ours = nn.Sequential(theirs[0], nn.Spiking(unit), theirs[2], nn.Spiking(unit))
    with torch.no_grad():
        theirs[0].weight.mul_(4)
        theirs[2].weight.mul_(4)
    x = spikes(20, 5, 4)
    wanted = run_neurobench(theirs, x, lambda net, x: [net(step) for step in x], SNNTorchModel)
    got = as_neurobench(measure(ours, x))
    assert 0 < got["ActivationSparsity"] < 1
    for name in ("ActivationSparsity", "SynapticOperations", "MembraneUpdates"):
        assert got[name] == pytest.approx(wanted[name]), name
