"""Prophesee RAW, encodings EVT 2.0 and EVT 3.0, decoded by our own kernels.

Source: docs.prophesee.ai, "RAW File Format", "EVT 2.0 Format", "EVT 3.0 Format". Words that carry no CD event
(triggers, OTHERS, CONTINUED) are left out; word types the documents reserve are an error. Polarity 1 is ON, the
origin is the upper left corner. EVT 2.1 is not supported.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats._common import (
    Path,
    Size,
    check_sensor,
    disorder,
    fail,
    load,
    records,
    text_header,
    to_events,
)
from neurosim.errors import FormatError, NeurosimWarning, check_choice
from neurosim.events import Events

UNPLACED = ("warn", "error", "drop")
VGA, HD, GENX320 = (640, 480, 2), (1280, 720, 2), (320, 320, 2)
PLUGINS: dict[str, Size] = {
    "hal_plugin_gen31": VGA,
    "hal_plugin_gen3": VGA,
    "hal_plugin_gen41": HD,
    "hal_plugin_gen4": HD,
    "hal_plugin_imx636": HD,
    "hal_plugin_genx320": GENX320,
}
GENERATIONS: dict[str, Size] = {"3.0": VGA, "3.1": VGA, "4.0": HD, "4.1": HD, "4.2": HD, "320.0": GENX320}


def read_evt2(
    path: Path, sensor_size: Size | None = None, *, on_disorder: str = "error", unplaced: str = "warn"
) -> Events:
    """Read a Prophesee RAW file in the encoding EVT 2.0.

    Args:
        path: the file, plain or gzip.
        sensor_size: (width, height, polarities); default from the header.
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.
        unplaced: events before the first word that says when (EVT 3.0: and in which row) they happened, as in a
            recording cut out of a stream, cannot be placed: "warn" leaves them out and says so, "error", "drop".

    Raises:
        FormatError: another encoding, cut file, reserved word type, unknown sensor, coordinate outside it.
    """
    return _read(path, "2.0", sensor_size, on_disorder, unplaced)


def read_evt3(
    path: Path, sensor_size: Size | None = None, *, on_disorder: str = "error", unplaced: str = "warn"
) -> Events:
    """Read a Prophesee RAW file in the encoding EVT 3.0; arguments and errors as in `read_evt2`."""
    return _read(path, "3.0", sensor_size, on_disorder, unplaced)


def _read(path: Path, version: str, sensor_size: Size | None, on_disorder: str, unplaced: str) -> Events:
    check_choice("unplaced", unplaced, UNPLACED)
    data = load(path)
    lines, start = text_header(path, data, b"% ", "% end")
    keys = header_keys(lines)
    if (found := evt_version(keys)) not in (None, version):
        raise fail(path, "header", f"EVT {version}", f"EVT {found}", "EVT 2.0 and 3.0 can be read; convert others.")
    size = check_sensor("read_evt", sensor_size or _size(path, keys))
    order = ">" if keys.get("endianness", "little").lower() == "big" else "<"
    width = 4 if version == "2.0" else 2
    words = records(path, data, start, f"{order}u{width}").astype(f"u{width}")
    columns, report = _decode(path, words, size, start)
    if report.unplaced:
        _tell_unplaced(path, report.unplaced, start, unplaced)
    if report.back >= 0 and on_disorder == "error":
        raise disorder(path, start + width * report.back, report.back_from, report.back_to)
    return to_events(path, columns, size, lambda i: f"event {i}", on_disorder)


def header_keys(lines: list[str]) -> dict[str, str]:
    """``keyword value`` pairs of a Prophesee header; ``format EVT3;height=..;width=..`` is opened up."""
    keys: dict[str, str] = {}
    for line in lines:
        name, _, value = line.removeprefix("%").strip().partition(" ")
        keys[name] = value.strip()
    form, *options = keys.get("format", "").split(";")
    keys["format"] = form
    keys.update({name: value for name, _, value in (option.partition("=") for option in options)})
    return keys


def evt_version(keys: dict[str, str]) -> str | None:
    """ "2.0", "2.1" or "3.0" as the header says, None where it says nothing."""
    if keys.get("evt"):
        return keys["evt"]
    names = {"EVT2": "2.0", "EVT21": "2.1", "EVT3": "3.0"}
    return names.get(keys["format"], keys["format"] or None)


def _size(path: Path, keys: dict[str, str]) -> Size:
    texts = keys.get("geometry") or f"{keys.get('width', '')}x{keys.get('height', '')}"
    if match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", texts, re.ASCII):
        width, height = int(match[1]), int(match[2])
        if 1 <= width <= 2048 and 1 <= height <= 2048:
            return width, height, 2
        raise fail(path, "header", "a geometry within 2048x2048", texts, "Pass sensor_size= if you know it.")
    for name, size in PLUGINS.items():
        if keys.get("plugin_name", "").startswith(name):
            return size
    generation = keys.get("sensor_generation") or keys.get("generation", "")
    if generation in GENERATIONS:
        return GENERATIONS[generation]
    raise fail(path, "header", "geometry, plugin_name or generation", "none we know", "Pass sensor_size=.")


class _Report:
    """What a kernel says about the words, see `neurosim.kernels.decode`."""

    def __init__(self, numbers: NDArray[np.int64]) -> None:
        fault, word, value, unplaced, back, back_from, back_to = (int(n) for n in numbers)
        self.fault, self.word, self.value, self.unplaced = fault, word, value, unplaced
        self.back, self.back_from, self.back_to = back, back_from, back_to


def _decode(path: Path, words: NDArray[Any], size: Size, start: int) -> tuple[Any, _Report]:
    from neurosim.kernels import decode  # numba: only when a RAW file is read

    evt3 = words.itemsize == 2
    n = (decode.count_evt3 if evt3 else decode.count_evt2)(words)
    t, x, y = np.empty(n, np.int64), np.empty(n, np.uint16), np.empty(n, np.uint16)
    p = np.empty(n, np.uint8)
    numbers = decode.new_report()
    kernel = decode.decode_evt3 if evt3 else decode.decode_evt2
    kept = kernel(words, size[0], size[1], t, x, y, p, numbers)
    report = _Report(numbers)
    if report.fault:
        raise _fault(path, report, size, start + words.itemsize * report.word)
    return (t[:kept], x[:kept], y[:kept], p[:kept]), report


def _fault(path: Path, report: _Report, size: Size, offset: int) -> FormatError:
    from neurosim.kernels import decode

    if report.fault == decode.RESERVED:
        hint = "The file is damaged, or it is not in this encoding."
        return fail(path, offset, "a documented word type", hex(report.value), hint)
    name, bound = ("x", size[0]) if report.fault == decode.OUTSIDE_X else ("y", size[1])
    hint = "The file is damaged or comes from another sensor: check sensor_size."
    return fail(path, offset, f"{name} in 0..{bound - 1}", str(report.value), hint)


def _tell_unplaced(path: Path, count: int, start: int, unplaced: str) -> None:
    got = f"{count} events before the first word that says when and where"
    error = fail(path, start, "a time before the first event", got, "Pass unplaced='drop' to leave them out.")
    if unplaced == "error":
        raise error
    if unplaced == "warn":
        warnings.warn(str(error), NeurosimWarning, stacklevel=4)
