"""`Ports`: layers for each port of a unit; they train, keep state, and lower spike for spike."""

import pytest
import torch

from neurosim import nn, testing, units
from neurosim.analysis import record
from neurosim.errors import NotLowerableError, ShapeError

UNIT = units.PlateauLIF(coincident=2, plateau=20e-3, boost=0.5)


def grid(model, step=2.0**-6):
    """Weights and biases on a power-of-two grid: sums are exact."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((p / step).round() * step)
    return model


def two_compartments(unit=UNIT, ports=("soma", "dend")):
    torch.manual_seed(0)
    layers = {port: nn.Linear(30, 12) for port in ports}
    for k, layer in enumerate(layers.values()):
        torch.nn.init.uniform_(layer.weight, -0.1 if k == 0 else -0.2, 0.3 if k == 0 else 0.8)
    return nn.Sequential(nn.Ports(**layers), nn.Spiking(unit))


def frames(*shape, p=0.1):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(1)) < p).float()


def test_every_port_gets_what_its_layers_make_of_the_input():
    model, x = two_compartments(), frames(50, 3, 30)
    y, _ = model(x)
    soma, dend = (model[0].get_submodule(port)[0] for port in ("soma", "dend"))
    want, _ = nn.Spiking(UNIT)((soma(x)[0], dend(x)[0]))
    assert torch.equal(y, want) and 0.01 < y.mean() < 0.9


def test_chunks_carry_the_state_of_every_port():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(30, 12), nn.Spiking(units.LIF()), nn.Linear(12, 12))
    model = nn.Sequential(nn.Ports(soma=nn.Linear(30, 12), dend=inner), nn.Spiking(UNIT))
    x = 3 * frames(40, 2, 30)
    whole, _ = model(x)
    first, state = model(x[:17])
    assert torch.equal(torch.cat([first, model(x[17:], state)[0]]), whole)


def test_the_weights_of_the_soma_train():
    model = two_compartments()
    model(frames(50, 3, 30))[0].sum().backward()
    assert model[0].soma[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("bias", [False, True])
def test_e1_the_event_form_equals_the_layers_spike_for_spike(bias):
    torch.manual_seed(0)
    ports = nn.Ports(
        soma=nn.Linear(30, 12, bias=bias),
        dend=nn.Sequential(nn.Linear(30, 20), nn.Spiking(units.LIF(v_threshold=0.3)), nn.Linear(20, 12)),
    )
    model = nn.Sequential(ports, nn.Spiking(UNIT), nn.Linear(12, 5), nn.Spiking(units.LIF(v_threshold=0.2)))
    torch.nn.init.uniform_(ports.soma[0].weight, 0, 0.2)
    torch.nn.init.uniform_(ports.dend[2].weight, 0, 1.0)
    found = testing.verify_equal(grid(model), frames(80, 4, 30, p=0.2))
    assert found.equal and found.spikes > 200, found
    graph = nn.lower(model, (30,))
    assert [p.name for p in graph.populations] == ["input", "0.dend.1", "1", "3"]
    assert {(p.source, p.target, p.port) for p in graph.projections} == {
        ("input", "0.dend.1", "x"), ("input", "1", "soma"), ("0.dend.1", "1", "dend"), ("1", "3", "x"),
    }  # fmt: skip


def test_states_of_a_unit_behind_ports_are_recorded():
    model, x = two_compartments(), frames(20, 2, 30)
    (v,) = record(model, x, "v").values()
    assert torch.equal(v[-1], model(x)[1][1]["v"])


def test_both_ports_may_be_fed_by_one_population():
    assert testing.verify_equal(grid(two_compartments()), frames(60, 3, 30)).equal


def test_a_norm_in_a_port_is_folded():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Ports(soma=nn.Sequential(nn.Linear(30, 12), nn.BatchNorm1d(12)), dend=nn.Linear(30, 12)), nn.Spiking(UNIT)
    )
    model(frames(20, 4, 30))
    model.eval()
    assert len(model.fold_norms()[0].soma) == 1
    assert len(nn.lower(model, (30,)).projections) == 2


def test_wrong_ports_are_refused():
    with pytest.raises(ShapeError, match=r"PlateauLIF has ports \('soma', 'dend'\), got \('soma', 'dent'\)"):
        two_compartments(ports=("soma", "dent"))(frames(5, 1, 30))
    with pytest.raises(ShapeError, match="Ports: must have a layer for each port"):
        nn.Ports()
    with pytest.raises(ShapeError, match=r"Ports: state must be a dict with \['soma', 'dend'\], got \['soma'\]"):
        two_compartments()[0](frames(5, 1, 30), {"soma": None})
    with pytest.raises(ShapeError, match=r"lower: layer '0': Spiking: PlateauLIF has ports .* got 1 inputs"):
        nn.lower(nn.Sequential(nn.Spiking(UNIT)), (4,))
    with pytest.raises(NotLowerableError, match="its port 'dend' is fed a state"):
        inner = nn.Sequential(nn.Linear(4, 4), nn.Spiking(units.LI()))
        nn.lower(nn.Sequential(nn.Ports(soma=nn.Linear(4, 4), dend=inner), nn.Spiking(UNIT)), (4,))
    with pytest.raises(ShapeError, match="Linear: x must be a torch tensor"):
        nn.lower(nn.Sequential(nn.Ports(soma=nn.Linear(4, 4)), nn.Linear(4, 4)), (4,))
