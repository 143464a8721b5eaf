"""`perforate` and `PhaseScheduler`: which layers, which phase, what is kept, and going on after an interruption."""

import copy
import csv
import io
import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from neurosim import nn, units
from neurosim.errors import FormatError, NeurosimError, NeurosimWarning, OutputError, RangeError, UnsupportedError
from neurosim.nn.cascade import cascades, count_parameters, fit

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(1))
Y = ((X[:, 0] * X[:, 1] > 0).long() + (X[:, 2] > 0.5)).clamp(max=2)


def mlp(hidden=3, **options):
    return nn.perforate(
        torch.nn.Sequential(torch.nn.Linear(6, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 3)), **options
    )


def adam(parameters):
    return torch.optim.Adam(parameters, 0.02)


def one_epoch(model, optimizer, x=X, y=Y):
    model.train()
    optimizer.zero_grad()
    out = model(x)
    loss = cross_entropy(out if isinstance(out, torch.Tensor) else out[0], y)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def score(model, x=X, y=Y):
    model.eval()
    with torch.no_grad():
        out = model(x)
        return float(cross_entropy(out if isinstance(out, torch.Tensor) else out[0], y))


class Told:
    """A model whose scores are told, so that each decision of the scheduler can be seen."""

    def __init__(self, max_dendrites=3, **options):
        torch.manual_seed(0)
        self.model = mlp(max_dendrites=max_dendrites)
        self.scheduler = nn.PhaseScheduler(
            self.model, **{"n_epochs_to_switch": 2, "max_p_epochs": 1, "max_dendrite_tries": 2} | options
        )
        self.optimizer = self.scheduler.watch(adam(self.scheduler.parameters()))

    def tell(self, *scores):
        """Give a score per epoch of an N-phase, and go through P-phases; the last verdict."""
        verdicts = [self._step(s) for s in scores]
        if self.scheduler.phase == "P":
            one_epoch(self.model, self.optimizer)
            assert self._step(scores[-1]) == "restructured"
        return verdicts[-1]

    def _step(self, value):
        verdict = self.scheduler.step(value)
        if verdict == "restructured":
            self.optimizer = self.scheduler.watch(adam(self.scheduler.parameters()))
        return verdict


def test_phases_follow_the_scores():
    told = Told()
    s = told.scheduler
    assert [s.step(v) for v in (0.1, 0.5, 0.4)] == ["continue"] * 3 and s.phase == "N"
    first = {n: p.clone() for n, p in told.model.state_dict().items()}
    assert told.tell(0.5) == "restructured"  # two epochs without a better one
    assert s.phase == "N" and len(cascades(told.model)["0"].dendrites) == 1
    assert torch.equal(told.model.state_dict()["0.main.weight"], first["0.main.weight"])
    assert told.tell(0.6, 0.6, 0.6) == "restructured" and len(told.model[2].dendrites) == 2
    assert told.tell(0.7, 0.6, 0.6) == "restructured" and len(told.model[2].dendrites) == 3
    assert told.tell(0.8, 0.6, 0.6) == "done" and s.phase == "done"
    assert [r["accepted"] for r in s.records] == [True] * 4
    assert [r["dendrites"] for r in s.records] == [0, 1, 2, 3]
    assert [r["validation"] for r in s.records] == [0.5, 0.6, 0.7, 0.8]
    assert [r["n_epochs"] for r in s.records] == [4, 3, 3, 3] and [r["p_epochs"] for r in s.records] == [0, 1, 1, 1]
    with pytest.raises(RangeError, match="training is done"):
        s.step(0.9)


@pytest.mark.parametrize(
    ("before", "after", "accepted"),
    [(0.5, 0.5, False), (0.5, 0.50004, False), (0.5, 0.50006, True), (0.0, 5e-9, False), (0.0, 2e-8, True),
     (-2.0, -1.9997, True), (-2.0, -1.9999, False), (0.5, 0.4, False)],
)  # fmt: skip
def test_a_dendrite_stays_if_it_beats_the_best_score_by_enough(before, after, accepted):
    for mode, sign in (("max", 1), ("min", -1)):
        told = Told(max_dendrites=1, mode=mode)
        told.tell(*[sign * before] * 3)
        verdict = told.tell(*[sign * after] * 3)
        assert verdict == ("done" if accepted else "restructured")
        assert told.scheduler.records[-1]["accepted"] is accepted


def test_a_rejected_dendrite_is_drawn_anew_and_at_the_end_the_best_model_comes_back():
    told = Told(max_dendrite_tries=2)
    told.tell(0.5, 0.5, 0.5)
    told.tell(0.6, 0.6, 0.6)
    best = copy.deepcopy(told.scheduler.accepted["state"])
    second = told.model[0].dendrites[1].layer.weight.clone()
    assert told.tell(0.6, 0.6, 0.6) == "restructured"
    assert len(told.model[0].dendrites) == 2  # the first, and a new second one
    assert not torch.equal(told.model[0].dendrites[1].layer.weight, second)
    with torch.no_grad():
        told.model[0].main.weight.add_(1)
    assert told.tell(0.55, 0.2, 0.2) == "done"
    state = told.model.state_dict()
    assert state.keys() == best.keys() and all(torch.equal(state[k], best[k]) for k in best)
    assert [r["try"] for r in told.scheduler.records] == [0, 1, 1, 2]
    assert [r["accepted"] for r in told.scheduler.records] == [True, True, False, False]
    assert all(p.requires_grad for p in told.model[0].main.parameters())


def test_tries_are_counted_anew_for_each_dendrite():
    told = Told(max_dendrite_tries=2)
    told.tell(0.5, 0.5, 0.5)
    assert told.tell(0.4, 0.4, 0.4) == "restructured"
    assert told.tell(0.6, 0.6, 0.6) == "restructured"
    assert told.tell(0.6, 0.6, 0.6) == "restructured"
    assert told.tell(0.7, 0.7, 0.7) == "restructured" and len(told.model[0].dendrites) == 3


def test_without_room_for_dendrites_there_is_one_phase():
    told = Told(max_dendrites=0)
    assert told.tell(0.5, 0.6, 0.1, 0.2) == "done" and len(told.scheduler.records) == 1


def test_layers_stop_growing_one_by_one():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        nn.with_dendrites(torch.nn.Linear(6, 3), max_dendrites=1), nn.with_dendrites(torch.nn.Linear(3, 3))
    )
    s = nn.PhaseScheduler(model, mode="min", max_n_epochs=2, max_p_epochs=2)
    values = iter(range(100, 0, -1))
    fit(s, adam, lambda o: one_epoch(model, o), lambda: next(values) if s.phase == "N" else 1000.0)
    assert [len(c.dendrites) for c in model] == [1, 3] and s.records[-1]["parameters"] == count_parameters(model)
    assert {"rho 0", "rho 1"} <= set(s.records[1]) and "rho 0" not in s.records[2]


def test_only_the_parameters_of_the_phase_train():
    torch.manual_seed(0)
    model = mlp()
    model[2].main.bias.requires_grad_(False)  # the user's own choice
    s = nn.PhaseScheduler(model, mode="min", max_n_epochs=3, max_p_epochs=3, n_epochs_to_switch=5)
    optimizer, phases = s.watch(adam(s.parameters())), []
    for _ in range(9):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        one_epoch(model, optimizer)
        moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        phases.append(s.phase)
        if s.phase == "N":
            want = {n for n in before if "main" in n or ".t." in n} - {"2.main.bias"}
        else:
            want = {n for n in before if ".candidates." in n}
        assert moved == want
        if s.step(score(model)) == "restructured":
            optimizer = s.watch(adam(s.parameters()))
    assert "".join(phases) == "NNNPPPNNN"


class WithNorms(torch.nn.Module):
    """Convolution, batch norm (wrapped with it and not), dropout."""

    def __init__(self):
        super().__init__()
        self.block = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 3), torch.nn.BatchNorm1d(4))
        self.middle, self.drop = torch.nn.BatchNorm1d(4, momentum=None), torch.nn.Dropout(0.2)
        self.top = torch.nn.Linear(16, 3)

    def forward(self, x):
        return self.top(self.drop(torch.relu(self.middle(self.block(x.unsqueeze(1))))).flatten(1))


def test_the_p_phase_leaves_the_logits_as_they_are_to_the_bit_with_norms_and_dropout():
    torch.manual_seed(0)
    with pytest.warns(NeurosimWarning, match="followed by the norm 'middle'"):
        model = nn.perforate(WithNorms(), ["block", "top"])
    s = nn.PhaseScheduler(model, mode="min", max_n_epochs=5, max_p_epochs=6, n_epochs_to_switch=9)
    optimizer, norms = s.watch(adam(s.parameters())), [model.middle, model.block.main[1]]
    last, compared = None, 0
    for _ in range(22):
        train = one_epoch(model, optimizer)
        assert math.isfinite(train)
        value, phase = score(model), s.phase
        logits = model(X)
        if phase == "P":
            assert last is not None and torch.equal(logits, last)
            compared += 1
        verdict = s.step(value)
        if verdict == "restructured":
            optimizer = s.watch(adam(s.parameters()))
            model.eval()
        if s.phase == "P":
            last = model(X)
        assert all(n.track_running_stats is (s.phase != "P") for n in norms)
    assert compared == 12
    assert all(n.num_batches_tracked > 0 for n in norms)


def test_correlations_stop_the_p_phase_when_they_no_longer_grow():
    torch.manual_seed(0)
    model = mlp(growth=nn.Growth(decay=0.0))
    s = nn.PhaseScheduler(model, mode="min", max_n_epochs=30, p_epochs_to_switch=4, n_epochs_to_switch=99)
    values = []
    optimizer = s.watch(adam(s.parameters()))
    while len(s.records) < 2:
        one_epoch(model, optimizer)
        if s.step(score(model)) == "restructured":
            optimizer = s.watch(adam(s.parameters()))
    values = [row["rho"] for row in s.history if row["phase"] == "P"]
    best, since, want = 0.0, 0, None
    for n, rho in enumerate(values, 1):
        best, since = (rho, 0) if rho > best * 1.01 and rho > best + 1e-5 else (best, since + 1)
        if since == 4:
            want = n
            break
    assert want == len(values) > 8 and values[-1] > values[0]
    assert s.records[1]["rho"] == values[-1] and s.records[1]["p_epochs"] == len(values)


def test_p_phases_of_no_epochs_leave_dendrites_random_and_n_makes_them_as_long():
    told = Told(max_p_epochs=0)
    assert [told.scheduler.step(0.5) for _ in range(3)][-1] == "restructured"
    assert told.scheduler.phase == "N" and (told.model[0].t[0] == 0).all()
    torch.manual_seed(0)
    model = mlp()
    s = nn.PhaseScheduler(model, mode="min", max_n_epochs=7, max_p_epochs="n", p_epochs_to_switch=99)
    fit(s, adam, lambda o: one_epoch(model, o), lambda: score(model))
    assert s.records[1]["p_epochs"] == 7


def test_training_with_dendrites_learns_what_the_layer_cannot():
    def loss(dendrites):
        torch.manual_seed(0)
        model = mlp(max_dendrites=dendrites)
        s = nn.PhaseScheduler(model, mode="min", max_n_epochs=200, max_p_epochs=60)
        fit(s, adam, lambda o: one_epoch(model, o), lambda: score(model))
        return score(model), s.records

    (without, _), (with_two, records) = loss(0), loss(2)
    assert with_two < 0.7 * without
    assert all(r["rho"] > 0.1 for r in records[1:])


# Interruption


def everything(model, s, optimizer):
    file = io.BytesIO()
    torch.save([model.state_dict(), s.state_dict(), optimizer.state_dict()], file)
    return file.getvalue()


@pytest.mark.parametrize("order", ["model first", "scheduler first"])
@pytest.mark.parametrize("stop", [2, 5, 7, 8, 11, 13, 15])
def test_training_goes_on_identically_from_any_epoch_of_any_phase(stop, order):
    def start():
        torch.manual_seed(0)
        model = mlp(max_dendrites=2, growth=nn.Growth(candidates=2))
        s = nn.PhaseScheduler(model, mode="min", max_n_epochs=5, max_p_epochs=3, n_epochs_to_switch=9, seed=3)
        return model, s, s.watch(adam(s.parameters()))

    def train(model, s, optimizer, epochs):
        for _ in range(epochs):
            one_epoch(model, optimizer)
            verdict = s.step(score(model))
            if verdict == "restructured":
                optimizer = s.watch(adam(s.parameters()))
            elif verdict == "done":
                break
        return model, s, optimizer

    whole = train(*start(), 40)
    saved = everything(*train(*start(), stop))
    torch.manual_seed(99)  # nothing may depend on torch's own generator
    model, s, _ = start()
    a, b, c = torch.load(io.BytesIO(saved), weights_only=True)
    for load in (lambda: model.load_state_dict(a), lambda: s.load_state_dict(b))[
        :: 1 if order == "model first" else -1
    ]:
        load()
    optimizer = s.watch(adam(s.parameters()))
    optimizer.load_state_dict(c)
    again = train(model, s, optimizer, 40)
    assert whole[1].phase == again[1].phase == "done"
    for (name, p), (same, q) in zip(whole[0].state_dict().items(), again[0].state_dict().items(), strict=True):
        assert name == same and torch.equal(p, q)
    assert whole[1].records == again[1].records and whole[1].history == again[1].history


def test_a_saved_state_does_not_change_when_training_goes_on():
    told = Told()
    told.tell(0.5, 0.5, 0.5)
    kept = told.scheduler.state_dict()
    told.tell(0.6, 0.6, 0.6)
    assert len(kept["records"]) == 1 and len(told.scheduler.records) == 2


def test_half_of_a_saved_run_is_refused():
    told = Told()
    for _ in range(3):
        told.scheduler.step(0.5)
    assert told.scheduler.phase == "P"
    other = Told()
    other.model.load_state_dict(told.model.state_dict())
    with pytest.raises(RangeError, match=r"in the middle of a P-phase: load_state_dict\(\) first"):
        other.scheduler.watch(adam(other.scheduler.parameters()))
    with pytest.raises(FormatError, match=r"load_state_dict: must have \['phase', .* got \['a'\]"):
        other.scheduler.load_state_dict({"a": 1})


# Optimizers


def test_an_optimizer_of_before_the_restructuring_is_found_when_it_steps_and_at_the_next_score():
    told = Told()
    old, s = told.optimizer, told.scheduler
    assert [s.step(0.5) for _ in range(3)][-1] == "restructured"
    told.model.train()
    cross_entropy(told.model(X), Y).backward()
    with pytest.raises(RangeError, match="4 of its 4 are of before the restructuring and 4 are missing"):
        old.step()
    with pytest.raises(RangeError, match=r"Build a new one of scheduler\.parameters"):
        s.step(0.5)
    with pytest.raises(RangeError, match="of before the restructuring"):
        s.watch(old)
    new = s.watch(adam(s.parameters()))
    new.step()
    assert s.step(0.5) == "restructured"


def test_an_optimizer_must_be_watched_and_hold_all_that_trains():
    model = mlp()
    s = nn.PhaseScheduler(model)
    with pytest.raises(RangeError, match="4 are missing"):
        s.step(0.5)
    with pytest.raises(RangeError, match="2 are missing"):
        s.watch(adam(model[0].parameters()))
    s.watch(adam(model[0].parameters()), torch.optim.SGD(model[2].parameters(), 0.1))
    assert s.step(0.5) == "continue"


# Choosing layers


def test_all_layers_with_weights_are_chosen_unless_some_are_named():
    def model():
        return nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.Spiking(units.LIF(), dt=2e-3), nn.Flatten(), torch.nn.Linear(8, 4),
            nn.Recurrent(units.LIF(), 4, dt=2e-3), nn.Residual(nn.Linear(4, 4)), nn.Readout(),
        )  # fmt: skip

    every = nn.perforate(model(), tau=5e-3)
    assert list(cascades(every)) == ["0", "3.module", "4", "5.inner.0"]
    assert (every[0].tau, every[0].dt) == (5e-3, 2e-3)
    x = torch.rand(6, 2, 1, 4, 4)
    torch.manual_seed(0)
    plain = model()
    torch.manual_seed(0)
    same = nn.perforate(model())
    assert torch.equal(plain(x)[0], same(x)[0])
    assert list(cascades(nn.perforate(model(), ["3", "4"]))) == ["3.module", "4"]
    assert list(cascades(nn.perforate(model(), "4"))) == ["4"]
    assert list(cascades(nn.perforate(model(), lambda name, m: isinstance(m, nn.Linear)))) == ["5.inner.0"]
    alone = torch.nn.Linear(2, 3)
    assert nn.perforate(alone).main is alone
    assert nn.perforate(nn.Sequential(nn.Linear(2, 3)))[0].tau is None  # no layer of units: no time constant to meet
    nothing = nn.perforate(model(), tau=None)
    assert nothing[0].tau is None


def shared():
    layer = torch.nn.Linear(3, 3)
    return torch.nn.Sequential(layer, torch.nn.ReLU(), layer)


def tied():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    return model


def two_steps():
    return nn.Sequential(nn.Linear(2, 2), nn.Spiking(units.LIF()), nn.Spiking(units.LIF(), dt=2e-3))


BAD = {
    "shared": (lambda: nn.perforate(shared()), r"layer '0' shares a weight: \['0.weight', '2.weight'\] are one"),
    "tied": (lambda: nn.perforate(tied()), r"layer '0' shares a weight: \['0.weight', '1.weight'\]"),
    "by hand": (lambda: nn.PhaseScheduler(torch.nn.Sequential(*map(nn.with_dendrites, tied()))), "shares a weight"),
    "name": (lambda: nn.perforate(mlp(), "00"), r"there is no layer '00'"),
    "none": (lambda: nn.perforate(torch.nn.ReLU()), "no layer is chosen"),
    "again": (lambda: nn.perforate(mlp()), "no layer is chosen"),
    "again by name": (lambda: nn.perforate(mlp(), "0"), "layer '0': .* has dendrites already"),
    "weights": (lambda: nn.perforate(torch.nn.Sequential(torch.nn.ReLU()), "0"), "layer '0': .* ReLU has no weight"),
    "steps": (lambda: nn.perforate(two_steps()), r"one time step, got \[0\.001, 0\.002\] s"),
    "max": (lambda: mlp(max_dendrites=-1), r"layer '0': with_dendrites\.max_dendrites: must be .* got -1"),
    "max kind": (lambda: mlp(max_dendrites=1.5), r"got 1\.5"),
    "no room": (lambda: nn.PhaseScheduler(torch.nn.Linear(2, 3)), r"use perforate\(model\) first"),
    "mode": (lambda: nn.PhaseScheduler(mlp(), mode="maximum"), "mode: must be one of"),
    "n": (lambda: nn.PhaseScheduler(mlp(), n_epochs_to_switch=0), r"n_epochs_to_switch: must be .* >= 1, got 0"),
    "p": (lambda: nn.PhaseScheduler(mlp(), p_epochs_to_switch=True), "p_epochs_to_switch: must be"),
    "max n": (lambda: nn.PhaseScheduler(mlp(), max_n_epochs=0), "max_n_epochs: must be"),
    "max p": (lambda: nn.PhaseScheduler(mlp(), max_p_epochs="m"), "max_p_epochs: must be .* got 'm'"),
    "tries": (lambda: nn.PhaseScheduler(mlp(), max_dendrite_tries=0), "max_dendrite_tries: must be"),
    "nan": (lambda: Told().scheduler.step(math.nan), r"step\.score: must be a finite number, got nan"),
    "inf": (lambda: Told().scheduler.step(-math.inf), r"step\.score: must be a finite number, got -inf"),
    "test": (lambda: Told().scheduler.step(0.5, math.nan), r"step\.test: must be a finite number, got nan"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    act, message = BAD[case]
    with pytest.raises(NeurosimError, match=message) as caught:
        act()
    assert isinstance(caught.value, (RangeError, UnsupportedError))


def test_a_refused_model_is_left_as_it_was():
    model = tied()
    with pytest.raises(RangeError):
        nn.perforate(model)
    assert not cascades(model) and type(model[0]) is torch.nn.Linear


@pytest.mark.parametrize(
    "model",
    [torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)),
     nn.Sequential(nn.Linear(2, 3), torch.nn.LayerNorm(3)), nn.Sequential(torch.nn.Linear(2, 3), nn.BatchNorm1d(3))],
)  # fmt: skip
def test_a_norm_behind_a_wrapped_layer_is_warned_of(model):
    with pytest.warns(NeurosimWarning, match="layer '0' is followed by the norm '1', which rescales"):
        nn.perforate(model)


def test_a_norm_wrapped_with_its_layer_is_not_warned_of():
    model = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)), torch.nn.ReLU())
    assert list(cascades(nn.perforate(model, ["0"]))) == ["0"]


# Warnings and files


def test_a_score_that_moves_in_a_p_phase_is_warned_of():
    told = Told(max_p_epochs=3)
    for value in (0.5, 0.5, 0.5):
        told.scheduler.step(value)
    told.scheduler.watch(adam(told.scheduler.parameters()))
    told.scheduler.step(0.5)
    with pytest.warns(NeurosimWarning, match=r"the score went from 0\.5 to 0\.4 in a P-phase"):
        told.scheduler.step(0.4)


def test_dendrites_that_have_not_learnt_are_warned_of():
    told = Told(max_p_epochs=1)
    for value in (0.5, 0.5, 0.5):
        told.scheduler.step(value)
    told.scheduler.watch(adam(told.scheduler.parameters()))
    with pytest.warns(NeurosimWarning, match="correlate with the error by 0 only"):  # no loss went backward
        told.scheduler.step(0.5)
    assert all((c.t[0] == 0).all() for c in cascades(told.model).values())


def test_records_are_written_as_csv(tmp_path):
    told = Told()
    told.tell(0.5, 0.5, 0.5)
    told.scheduler.watch(adam(told.scheduler.parameters()))
    for value in (0.6, 0.5, 0.5):
        told.scheduler.step(value, test=value / 2)
    told.scheduler.write_csv(tmp_path / "cycles.csv")
    rows = list(csv.DictReader((tmp_path / "cycles.csv").read_text().splitlines()))
    assert [r["dendrites"] for r in rows] == ["0", "1"] and rows[0]["rho"] == rows[0]["test"] == rows[0]["rho 0"] == ""
    assert float(rows[1]["test"]) == 0.3 and rows[1]["accepted"] == "True"
    assert float(rows[1]["rho 0"]) == told.scheduler.records[1]["rho 0"] > 0
    assert int(rows[1]["parameters"]) == count_parameters(mlp()) * 2 + 3 + 3
    with pytest.raises(OutputError):
        told.scheduler.write_csv(tmp_path / "none" / "cycles.csv")
