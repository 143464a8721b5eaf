"""`PhaseScheduler`: when to train the network, when its dendrites, and which to keep."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import FormatError, NeurosimWarning, RangeError, check_choice
from neurosim.files import write_bytes
from neurosim.nn.cascade.perforate import cascades, check_shared, count_parameters

RELATIVE, ABSOLUTE = 1e-4, 1e-8  # a score is better by more than the larger of these
RHO_RELATIVE, RHO_ABSOLUTE = 1e-2, 1e-5  # a correlation still grows by more than both of these
NOT_LEARNING = 1e-3  # mean |rho| below which a dendrite has learnt nothing
N, P, DONE = "N", "P", "done"
CONTINUE, RESTRUCTURED = "continue", "restructured"
KEPT = (
    "phase", "epochs", "since", "n_epochs", "tries", "best", "accepted", "correlation", "reference", "rho", "records",
    "history",
)  # fmt: skip


class PhaseScheduler:
    """Phases of training with dendrites; call `step` once per epoch with the score on validation data.

    In the N-phase weights, biases and t train, dendrites are constants. When the score has not improved for
    ``n_epochs_to_switch`` epochs the best weights of the phase come back. If they beat the best score before by more
    than 1e-4 of it (and 1e-8), they are accepted; else the last dendrite is dropped and drawn anew, at most
    ``max_dendrite_tries`` times. In the P-phase candidates train and nothing else: the output of the model in
    evaluation stays what it is, and batch norms keep their statistics. When the correlation (mean of ``|rho|`` over
    units, then over layers) has not grown by 1 % (and 1e-5) for ``p_epochs_to_switch`` epochs they are frozen, and the
    next N-phase begins.

    "restructured" means that other parameters train now: build a new optimizer of `parameters` and `watch` it. An
    optimizer of before raises an error when it steps.

    Args:
        model: with `CascadeDendrites` in it, see `perforate`.
        mode: "max" if a larger score is better, "min" if a smaller one is.
        n_epochs_to_switch, p_epochs_to_switch: patience of the phases [epochs].
        max_n_epochs: longest N-phase; None: no limit.
        max_p_epochs: longest P-phase; "n": as long as the N-phase before; None: no limit. 0 leaves dendrites random.
        max_dendrite_tries: how often the same dendrite is drawn before training ends.
        seed: of the initial weights of dendrites.

    Attributes:
        phase: "N", "P" or "done".
        records: a dict per N-phase: cycle, dendrites (per unit), try, parameters, n_epochs, p_epochs (of the P-phase
            before), rho (at its end, None before the first), validation (best score), test (at that epoch), accepted,
            and one "rho <layer>" per layer.
        history: a dict per epoch: epoch, phase, dendrites, score, rho.

    Raises:
        RangeError: no layer has room for dendrites, layers share weights, or a value is out of range.

    Source: phases, thresholds and defaults as documented by the authors of arXiv:2501.18018.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mode: str = "max",
        n_epochs_to_switch: int = 10,
        p_epochs_to_switch: int = 10,
        max_n_epochs: int | None = None,
        max_p_epochs: int | str | None = None,
        max_dendrite_tries: int = 5,
        seed: int = 0,
    ) -> None:
        check_choice("PhaseScheduler.mode", mode, ("max", "min"))
        self.patience = {N: _whole("n_epochs_to_switch", n_epochs_to_switch, 1),
                         P: _whole("p_epochs_to_switch", p_epochs_to_switch, 1)}  # fmt: skip
        self.max_n_epochs = None if max_n_epochs is None else _whole("max_n_epochs", max_n_epochs, 1)
        self.max_p_epochs = max_p_epochs if max_p_epochs in (None, "n") else _whole("max_p_epochs", max_p_epochs, 0)
        self.max_dendrite_tries = _whole("max_dendrite_tries", max_dendrite_tries, 1)
        self.model, self.sign = model, 1 if mode == "max" else -1
        self.layers = cascades(model)
        if not self.layers:
            raise RangeError("PhaseScheduler.model: no layer has room for dendrites; use perforate(model) first.")
        check_shared(model, {name: layer.main for name, layer in self.layers.items()})
        self.generator = torch.Generator().manual_seed(_whole("seed", seed, 0))
        grown = {id(p) for layer in self.layers.values() for p in _grown(layer)}
        self._own = [p for p in model.parameters() if p.requires_grad and id(p) not in grown]
        self._norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)
                       and m.track_running_stats]  # fmt: skip
        self._watched: list[torch.optim.Optimizer] = []
        self._hooks: list[Any] = []
        self.phase, self.epochs, self.since, self.n_epochs, self.tries = N, 0, 0, 0, 0
        self.best: dict[str, Any] = {}  # of this N-phase: score, test, state
        self.accepted: dict[str, Any] = {}  # of all: score, state
        self.correlation, self.reference = 0.0, math.nan
        self.rho: dict[str, Any] = {}  # of the last P-phase: epochs, mean, layers
        self.records: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self._set_training()

    def parameters(self) -> list[nn.Parameter]:
        """What trains in this phase, for a new optimizer."""
        if self.phase == P:
            return [p for layer in self.layers.values() for p in layer.candidates.parameters()]
        return self._own + [p for layer in self.layers.values() for p in layer.t]

    def watch(self, *optimizers: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Check that optimizers hold exactly what trains now, and guard them against being used later; the first.

        Raises:
            RangeError: a parameter is missing, or one does not train in this phase.
        """
        if self.phase == N and any(len(layer.candidates) for layer in self.layers.values()):
            raise RangeError("PhaseScheduler.watch: the model is in the middle of a P-phase: load_state_dict() first.")
        self._set_training()
        self._check(optimizers)
        self._release()
        self._watched = list(optimizers)
        self._hooks = [o.register_step_pre_hook(self._guard) for o in optimizers]
        return optimizers[0]

    def step(self, score: float, test: float | None = None) -> str:
        """End an epoch.

        Args:
            score: of the model in evaluation on validation data.
            test: score on test data, only kept for the records.

        Returns:
            "continue", "restructured" (build and watch a new optimizer) or "done" (the model is the best one).

        Raises:
            RangeError: the score is not finite; no optimizer, or one of before the last restructuring, is watched.
        """
        for name, value in (("score", score), ("test", test)):
            if value is not None and not math.isfinite(value):
                raise RangeError(f"PhaseScheduler.step.{name}: must be a finite number, got {value!r}.")
        if self.phase == DONE:
            raise RangeError("PhaseScheduler.step: training is done.")
        self._check(self._watched)
        self.epochs += 1
        return self._end_n_epoch(float(score), test) if self.phase == N else self._end_p_epoch(float(score))

    def state_dict(self) -> dict[str, Any]:
        """All but the model; save the state dict of model and optimizer beside it, in any phase."""
        kept = {name: copy.copy(getattr(self, name)) for name in KEPT}
        return kept | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; load that of the model before, build and watch the optimizer after.

        Raises:
            FormatError: it is no such state.
        """
        if set(state) != {*KEPT, "generator"}:
            raise FormatError(f"PhaseScheduler.load_state_dict: must have {[*KEPT, 'generator']}, got {list(state)}.")
        for name in KEPT:
            setattr(self, name, copy.copy(state[name]))
        self.generator.set_state(state["generator"])
        self._set_training()

    def write_csv(self, path: Path | str) -> None:
        """Write `records`, one row per cycle; the file is there whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        columns = list(dict.fromkeys(name for row in self.records for name in row))
        rows = [columns, *([_cell(row.get(name)) for name in columns] for row in self.records)]
        write_bytes(Path(path), "".join(",".join(row) + "\n" for row in rows).encode())

    def _end_n_epoch(self, score: float, test: float | None) -> str:
        self._note(score, None)
        if not self.best or self._better(score, self.best["score"]):
            self.best, self.since = {"score": score, "test": test, "state": _copy(self.model)}, 0
        else:
            self.since += 1
        if self.since < self.patience[N] and self.epochs != self.max_n_epochs:
            return CONTINUE
        self.model.load_state_dict(self.best["state"])
        accepted = not self.accepted or self._better(self.best["score"], self.accepted["score"])
        self._record(accepted)
        self.n_epochs = self.epochs
        if accepted:
            self.accepted, self.tries = self.best, 0
        else:
            self.model.load_state_dict(self.accepted["state"])
            self.tries += 1
        if self.tries == self.max_dendrite_tries or all(layer.full for layer in self.layers.values()):
            self._enter(DONE)
            return DONE
        for layer in self.layers.values():
            if not layer.full:
                layer.grow(self.generator)
        self._enter(P)
        if self.max_p_epochs == 0:
            self._settle()
        return RESTRUCTURED

    def _end_p_epoch(self, score: float) -> str:
        growing = {name: layer for name, layer in self.layers.items() if len(layer.candidates)}
        each = {name: float(layer.rho.abs().mean()) for name, layer in growing.items()}
        rho = sum(each.values()) / len(each)
        self._note(score, rho)
        self.rho = {"epochs": self.epochs, "mean": rho, "layers": each}
        if self.epochs == 1:
            self.reference = score
        elif score != self.reference:
            warnings.warn(
                f"PhaseScheduler.step: the score went from {self.reference!r} to {score!r} in a P-phase, in which the "
                "model does not change. Is it scored in training mode, or is something else trained?",
                NeurosimWarning,
                stacklevel=3,
            )
            self.reference = score
        if rho > self.correlation + max(RHO_RELATIVE * self.correlation, RHO_ABSOLUTE):
            self.correlation, self.since = rho, 0
        else:
            self.since += 1
        longest = self.n_epochs if self.max_p_epochs == "n" else self.max_p_epochs
        if self.since < self.patience[P] and self.epochs != longest:
            return CONTINUE
        if rho < NOT_LEARNING:
            warnings.warn(
                f"PhaseScheduler.step: dendrites correlate with the error by {rho:.2g} only, they have not learnt. "
                "Raise the learning rate of the P-phase; or there may be no error left.",
                NeurosimWarning,
                stacklevel=3,
            )
        self._settle()
        return RESTRUCTURED

    def _settle(self) -> None:
        for layer in self.layers.values():
            if len(layer.candidates):
                layer.settle()
        self._enter(N)

    def _enter(self, phase: str) -> None:
        self.phase, self.epochs, self.since, self.best, self.correlation = phase, 0, 0, {}, 0.0
        if phase == P:
            self.rho = {"epochs": 0, "mean": 0.0, "layers": {}}
        for p in self.model.parameters():
            p.grad = None
        self._set_training()

    def _set_training(self) -> None:
        training = {id(p) for p in self.parameters()}
        for p in self.model.parameters():
            p.requires_grad_(id(p) in training)
        for norm in self._norms:
            norm.track_running_stats = self.phase != P  # it still normalises as before, but keeps no new statistics

    def _better(self, score: float, than: float) -> bool:
        return self.sign * (score - than) > max(RELATIVE * abs(than), ABSOLUTE)

    def _note(self, score: float, rho: float | None) -> None:
        self.history.append(
            {"epoch": len(self.history) + 1, "phase": self.phase, "dendrites": self._dendrites(), "score": score,
             "rho": rho}
        )  # fmt: skip

    def _record(self, accepted: bool) -> None:
        first = not self.records
        self.records.append(
            {"cycle": len(self.records), "dendrites": self._dendrites(), "try": 0 if first else self.tries + 1,
             "parameters": count_parameters(self.model), "n_epochs": self.epochs,
             "p_epochs": 0 if first else self.rho["epochs"], "rho": None if first else self.rho["mean"],
             "validation": self.best["score"], "test": self.best["test"], "accepted": accepted}
            | {f"rho {name}": value for name, value in self.rho.get("layers", {}).items()}
        )  # fmt: skip

    def _dendrites(self) -> int:
        return max(len(layer.dendrites) for layer in self.layers.values())

    def _check(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        held = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
        wanted = {id(p) for p in self.parameters()}
        if held != wanted:
            raise RangeError(
                f"PhaseScheduler: the optimizer must hold the {len(wanted)} parameters of this phase; "
                f"{len(held - wanted)} of its {len(held)} are of before the restructuring and {len(wanted - held)} are "
                "missing. Build a new one of scheduler.parameters() and pass it to scheduler.watch()."
            )

    def _guard(self, *_: Any) -> None:
        self._check(self._watched)

    def _release(self) -> None:
        for hook in self._hooks:
            hook.remove()


def fit(
    scheduler: PhaseScheduler,
    optimizer_of: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    epoch: Callable[[torch.optim.Optimizer], Any],
    validate: Callable[[], float],
) -> list[dict[str, Any]]:
    """Train until the scheduler is done.

    Args:
        scheduler: of the model.
        optimizer_of: makes an optimizer of a list of parameters; called at the beginning of every phase.
        epoch: trains the model for an epoch with an optimizer (sets training mode, goes over all batches).
        validate: the score of the model in evaluation.

    Returns:
        list: the scheduler's records.
    """
    verdict = RESTRUCTURED
    while verdict != DONE:
        if verdict == RESTRUCTURED:
            optimizer = scheduler.watch(optimizer_of(scheduler.parameters()))
        epoch(optimizer)
        verdict = scheduler.step(validate())
    return scheduler.records


def _grown(layer: Any) -> list[nn.Parameter]:
    return [*layer.dendrites.parameters(), *layer.candidates.parameters(), *layer.t]


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise RangeError(f"PhaseScheduler.{name}: must be a whole number >= {least}, got {value!r}.")
    return value
