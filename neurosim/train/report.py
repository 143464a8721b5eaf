"""What a run says while it works: progress bars on a terminal, one plain line per epoch elsewhere."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from neurosim.errors import NeurosimWarning


class Reporter:
    """Prints the progress of a run.

    Args:
        console: where to; default standard output. Bars are drawn where it is a terminal.
        quiet: print nothing.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(quiet=quiet, highlight=False)
        columns = (
            TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._bars = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self._task: TaskID | None = None
        self._seed, self._epochs, self._steps, self._epoch = 0, 0, 0, 0
        self._started = 0.0
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def loading(self, what: str, done: int, total: int) -> None:
        """Recordings read so far."""
        self._bar(f"reading {what}", done, total, "")

    def seed(self, seed: int, done: int, epochs: int, steps: int) -> None:
        """A seed starts, or goes on after ``done`` epochs."""
        self._seed, self._epoch, self._epochs, self._steps = seed, done, epochs, steps
        self._started, self._told = time.perf_counter(), set()
        if done:
            self.say(f"seed {seed}: {'complete' if done >= epochs else 'resumed'} after epoch {done} of {epochs}")

    def batch(self, step: int, loss: float, accuracy: float, rate: float, samples: int) -> None:
        """Means over the epoch so far."""
        if step == 1:
            self._started = time.perf_counter()
        if self._bars.disable:
            return
        speed = samples / max(time.perf_counter() - self._started, 1e-9) if step > 1 else 0.0
        note = f"loss {loss:.3f}  accuracy {accuracy:.3f}  spike rate {rate:.3f}  {speed:.0f} samples/s"
        self._bar(f"seed {self._seed} epoch {self._epoch + 1}/{self._epochs}", step, self._steps, note)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch is over: print its row of the history, and warn of layers that are dead or saturated."""
        from neurosim.analysis import unhealthy

        self._epoch = row["epoch"]
        rates = row["spike_rate"]
        self.say(
            f"seed {self._seed} epoch {row['epoch']:>3}/{self._epochs}  loss {row['loss']:.4f}  "
            f"accuracy {row['accuracy']:.4f}  validation {row['validation_accuracy']:.4f} "
            f"(loss {row['validation_loss']:.4f})  spike rate {sum(rates.values()) / len(rates):.3f}  "
            f"{row['seconds']:.1f} s"
        )
        for name in unhealthy(rates):
            if name not in self._told:
                self._told.add(name)
                state = "never fires" if rates[name] < 0.5 else "fires in more than 90 % of its steps"
                warnings.warn(
                    f"layer {name!r} {state} in epoch {row['epoch']} of seed {self._seed}. Put a batchnorm before it, "
                    "or change its v_threshold or train.lr.",
                    NeurosimWarning,
                    stacklevel=2,
                )

    def result(self, result: Mapping[str, Any]) -> None:
        """The final table."""
        self.say(f"\n{result['name']}: test accuracy over {len(result['seeds'])} seed(s)")
        table = Table()
        for column in ("seed", "validation", "test"):
            table.add_column(column, justify="right")
        for seed, validation, test in zip(
            result["seeds"], result["validation_accuracy"], result["accuracy"], strict=True
        ):
            table.add_row(str(seed), f"{validation:.4f}", f"{test:.4f}")
        self.console.print(table)
        spread = f" +- {result['accuracy_sd']:.4f} (sd)" if len(result["seeds"]) > 1 else ""
        rates = ", ".join(f"{name} {rate:.3f}" for name, rate in result["spike_rate"].items())
        self.say(
            f"accuracy    {result['accuracy_mean']:.4f}{spread} on {result['samples']} recordings\n"
            f"parameters  {result['parameters']:,} ({result['bytes']:,} bytes)\n"
            f"synops      {result['synops_per_sample']:,.0f} per recording "
            f"({result['dense_ops_per_sample']:,.0f} if nothing were sparse)\n"
            f"spike rate  {rates}\n"
            f"training    {result['seconds']:.0f} s"
        )

    def _bar(self, text: str, done: int, total: int, note: str) -> None:
        if self._task is None:
            self._task = self._bars.add_task(text, total=total, note=note)
        self._bars.update(self._task, description=text, completed=done, total=total, note=note)
