"""The command line: ``neurosim train``, ``evaluate``, ``stream``, ``verify``, ``recipe``, ``simulate``, ``info``."""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from neurosim.errors import NeurosimError, NeurosimWarning, RangeError

app = typer.Typer(
    help="Spiking neural networks on event-camera data.", no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip

DataRoot = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder, or the folder of the data set. Default: $NEUROSIM_DATA, ../shared/data."),
]


def main() -> None:
    """Entry point of the ``neurosim`` command."""
    app()


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Path of a recipe (.toml), or the name of a shipped one.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to the recipe, such as train.epochs=3.", show_default=False)
    ] = None,
    data: DataRoot = None,
    out: Annotated[Path | None, typer.Option(help="Folder for results. Default: runs/NAME.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where the folder holds a run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Train a recipe and test it once; writes result.json, the model, checkpoints and pictures."""
    again = f"neurosim train {recipe} --out {out or 'runs/...'} --seeds {seeds} --resume"
    with friendly(f"Finished epochs are kept. Continue with the same options and --resume:\n  {again}"):
        from neurosim.train import Reporter, load_recipe
        from neurosim.train import train as run
        from neurosim.train.recipe import read_table

        if read_table(recipe)[0].get("kind") == "continual":
            _train_continual(recipe, overrides or (), data, out, _seeds(seeds), resume, overwrite, quiet)
            return
        checked = load_recipe(recipe, overrides or ())
        folder = out or Path("runs") / checked.name
        run(checked, data, folder, _seeds(seeds), resume, overwrite, Reporter(quiet=quiet))
        if not quiet:
            print(f"results in {folder}/result.json, model in {folder}/model.safetensors, pictures beside them")


def _train_continual(
    recipe: str, overrides: Sequence[str], data: Path | None, out: Path | None, seeds: tuple[int, ...], resume: bool,
    overwrite: bool, quiet: bool,
) -> None:  # fmt: skip
    from neurosim.train.continual import load_continual, run_continual

    if resume:
        raise RangeError("--resume: tasks that follow one another have no checkpoints; use --overwrite to start anew.")
    checked = load_continual(recipe, overrides)
    folder = out or Path("runs") / checked.name
    result = run_continual(checked, data, folder, seeds, overwrite, None if quiet else print)
    if not quiet:
        print(f"accuracy over {checked.tasks.tasks} tasks, mean of {len(seeds)} seed(s): {result['accuracy_mean']:.4f}")
        print(f"results in {folder}/result.json")


@app.command(name="simulate")
def simulate_(
    name: Annotated[str, typer.Argument(help="Network: astro, brunel, coba, cuba, microcircuit or stdp.")],
    seconds: Annotated[float, typer.Option(help="Biological time in seconds.")] = 1.0,
    scale: Annotated[float, typer.Option(help="Size relative to the published network.")] = 1.0,
    threads: Annotated[int | None, typer.Option(help="Threads. Default: all processors.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of connections, initial state and noise.")] = 1,
    precision: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    to_json: Annotated[Path | None, typer.Option("--json", help="File to write the report to.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture of the spikes to write, and of states that the network records.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Simulate a network of the literature; prints its activity and how fast it ran."""
    with friendly("Nothing was written."):
        from neurosim.cli import simulate as command
        from neurosim.files import write_json

        simulation, found = command.simulate(name, seconds, scale, threads, seed, precision, quiet)
        if to_json is not None:
            write_json(to_json, found)
        if plot is not None:
            command.save_raster(simulation, plot)
        print(command.text(name, found))


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a finished run, or its model.safetensors.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder, or any recordings of the same kind (.npz, a folder).")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="test, validation, train or all. Default: test; all of files the model was not trained on."),
    ] = None,
    to_json: Annotated[Path | None, typer.Option("--json", help="File to write the scores to.")] = None,
) -> None:
    """Score a trained model on recordings of the same kind."""
    with friendly("Nothing was written."):
        from neurosim.files import write_json
        from neurosim.train import evaluate as run

        scores = run(model, data, split)
        if to_json is not None:
            write_json(to_json, scores)
        print(_score_text(scores))


@app.command(name="stream")
def stream_(
    model: Annotated[Path, typer.Argument(help="Folder of a finished run, or its model.safetensors.")],
    recordings: Annotated[list[Path], typer.Argument(help="Event files of the model's sensor, of any known format.")],
    no_grid: Annotated[bool, typer.Option("--no-grid", help="Event by event, without the model's time steps.")] = False,
    packet: Annotated[int, typer.Option(help="Length of the packets that events come in, in us.")] = 1000,
    to_json: Annotated[Path | None, typer.Option("--json", help="File to write the reports to.")] = None,
) -> None:
    """Classify recordings as they would come from the sensor; prints latency and throughput."""
    with friendly("Nothing was written."):
        from neurosim.cli import stream as command
        from neurosim.files import write_json

        found = command.stream(model, recordings, not no_grid, packet)
        if to_json is not None:
            write_json(to_json, {"model": str(model), "grid": not no_grid, "packet_us": packet, "recordings": found})
        print(command.stream_text(found))


@app.command(name="verify")
def verify_(
    model: Annotated[Path, typer.Argument(help="Folder of a finished run, or its model.safetensors.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder, or any recordings of the same kind (.npz, a folder).")
    ] = None,
    split: Annotated[str | None, typer.Option(help="As in evaluate. Default: test.")] = None,
    to_json: Annotated[Path | None, typer.Option("--json", help="File to write the comparison to.")] = None,
) -> None:
    """Compare a trained model with its event-driven form, spike by spike; exit code 1 where they are unequal."""
    with friendly("Nothing was written."):
        from neurosim.cli import stream as command
        from neurosim.files import write_json

        found = command.verify(model, data, split)
        if to_json is not None:
            write_json(to_json, found)
        print(command.verify_text(found))
        if not found["equal"]:
            raise typer.Exit(1)


@app.command()
def recipe(
    name: Annotated[str | None, typer.Argument(help="A shipped recipe, or a path. Without it, all names.")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="Explain every field of a recipe.")] = False,
) -> None:
    """Print a recipe."""
    with friendly():
        from neurosim.train.continual import load_continual
        from neurosim.train.recipe import CONTINUAL, SHIPPED, load_recipe, read_table, recipe_text

        if fields:
            print(_field_help())
        elif name is None:
            for shipped in SHIPPED:
                print(f"{shipped:22}{load_recipe(shipped).description}")
            for shipped in CONTINUAL:
                print(f"{shipped:22}{load_continual(shipped).description}")
        else:
            (load_continual if read_table(name)[0].get("kind") == "continual" else load_recipe)(name)
            print(recipe_text(name)[0], end="")


@app.command()
def info() -> None:
    """Print versions."""
    import torch

    from neurosim.train.run import versions

    for name, version in versions().items():
        print(f"{name:10}{version}")
    print(f"{'threads':10}{torch.get_num_threads()}")


@contextlib.contextmanager
def friendly(interrupted: str = "") -> Iterator[None]:
    """Errors as one message and exit code 2, warnings as one line each, Ctrl-C as exit code 130."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            yield
        except NeurosimError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print(f"\nStopped. {interrupted}", file=sys.stderr)
            raise typer.Exit(130) from None


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
    del rest
    where = "" if issubclass(category, NeurosimWarning) else f"{filename}:{lineno}: "
    print(f"warning: {where}{message}", file=sys.stderr)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RangeError(f"--seeds: must be whole numbers separated by commas, such as 0,1,2; got {text!r}.") from None


def _score_text(scores: dict[str, Any]) -> str:
    rates = ", ".join(f"{name} {rate:.3f}" for name, rate in scores["spike_rate"].items())
    return (
        f"{scores['model']} on {scores['samples']} recordings ({scores['split']})\n"
        f"accuracy    {scores['accuracy']:.4f}\n"
        f"synops      {scores['synops_per_sample']:,.0f} per recording\n"
        f"spike rate  {rates}\n"
        f"confusion   (row = true class) {json.dumps(scores['confusion'])}"
    )


def _field_help() -> str:
    """The docstrings of the tables of a recipe."""
    import inspect

    from neurosim.train import layers, recipe

    tables = (("top", recipe.Recipe), ("[data]", recipe.DataSpec), ("[frames]", recipe.FramesSpec))
    parts = [f"{name}\n{inspect.getdoc(kind)}" for name, kind in (*tables, ("[train]", recipe.TrainSpec))]
    parts += [f'[[layers]] type = "{kind.type}"\n{inspect.getdoc(kind)}' for kind in layers.ALL]
    return "\n\n".join(parts)
