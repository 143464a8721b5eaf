"""Decoders of Prophesee EVT 2.0 and EVT 3.0 words, in Numba.

Kernels never raise: ``report`` (7 int64, see `new_report`) tells the caller what is wrong and at which word.
    0 fault: 0 none, else `RESERVED`, `OUTSIDE_X`, `OUTSIDE_Y`; decoding stopped there
    1 word of the fault    2 its value (word type or coordinate)
    3 events left out, since no time (EVT 3.0: row, base column) came before them
    4 word of the first event whose time goes backwards, or -1    5 the time before it    6 its time
Source: docs.prophesee.ai, "EVT 2.0 Format" and "EVT 3.0 Format".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

RESERVED, OUTSIDE_X, OUTSIDE_Y = 1, 2, 3

EVT2_TYPES = (1 << 0x0) | (1 << 0x1) | (1 << 0x8) | (1 << 0xA) | (1 << 0xE) | (1 << 0xF)
EVT3_TYPES = 0b1100_0101_1111_1101  # all but 0x1, 0x9, 0xB, 0xC, 0xD

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile ``function``; it keeps its type for the type checker."""
    return cast(Function, njit(nogil=True, cache=True, error_model="numpy")(function))


def new_report() -> NDArray[np.int64]:
    """A report that says nothing is wrong."""
    report = np.zeros(7, np.int64)
    report[4] = -1
    return report


@kernel
def _fault(report: Any, kind: Any, word: Any, value: Any) -> None:
    report[0] = kind
    report[1] = word
    report[2] = value


@kernel
def _note_back(report: Any, word: Any, before: Any, after: Any) -> None:
    if report[4] < 0:
        report[4] = word
        report[5] = before
        report[6] = after


@kernel
def count_evt2(words: Any) -> int:
    """Number of CD events in EVT 2.0 words."""
    n = 0
    for w in words:
        n += (w >> 28) <= 1
    return n


@kernel
def decode_evt2(words: Any, width: Any, height: Any, t: Any, x: Any, y: Any, p: Any, report: Any) -> int:
    """Write the CD events of EVT 2.0 ``words`` to t, x, y, p and return how many.

    Time is 34 bits: 28 of EVT_TIME_HIGH and 6 in the event. A fall of the high part by more than half
    its range is a wrap; a smaller one is time going backwards.
    """
    n = 0
    high = -1
    lap: Any = 0
    last = 0
    for i in range(len(words)):
        w: Any = np.int64(words[i])
        kind = w >> 28
        if kind <= 1:
            if high < 0:
                report[3] += 1
                continue
            now = (lap << 34) | (high << 6) | ((w >> 22) & 0x3F)
            column = (w >> 11) & 0x7FF
            row = w & 0x7FF
            if column >= width:
                _fault(report, OUTSIDE_X, i, column)
                return n
            if row >= height:
                _fault(report, OUTSIDE_Y, i, row)
                return n
            if now < last:
                _note_back(report, i, last, now)
            last = now
            t[n] = now
            x[n] = column
            y[n] = row
            p[n] = kind
            n += 1
        elif kind == 8:
            new = w & 0xFFFFFFF
            if high - new > 1 << 27:
                lap += 1
            high = new
        elif not (EVT2_TYPES >> kind) & 1:
            _fault(report, RESERVED, i, kind)
            return n
    return n


@kernel
def count_evt3(words: Any) -> int:
    """Number of CD events in EVT 3.0 words: single ones, and the bits set in vectors."""
    n = 0
    for w in words:
        kind = w >> 12
        if kind == 2:
            n += 1
        elif kind == 4 or kind == 5:
            bits = w & 0xFFF if kind == 4 else w & 0xFF
            while bits:
                bits &= bits - 1
                n += 1
    return n


@kernel
def decode_evt3(words: Any, width: Any, height: Any, t: Any, x: Any, y: Any, p: Any, report: Any) -> int:
    """Write the CD events of EVT 3.0 ``words`` to t, x, y, p and return how many.

    Time is 24 bits, 12 each of EVT_TIME_HIGH and EVT_TIME_LOW, and wraps every 16.8 s; a fall of the high part by
    more than half its range is a wrap. A new high part sets the low part to 0 until EVT_TIME_LOW follows; the same
    high part sent again, which cameras do for robustness, changes nothing.
    """
    n = 0
    high = -1
    low = 0
    lap: Any = 0
    row = -1
    base = -1
    sign = 0
    last = 0
    now = -1
    for i in range(len(words)):
        w: Any = np.int64(words[i])
        kind = w >> 12
        if kind == 2:  # EVT_ADDR_X
            if now < 0 or row < 0:
                report[3] += 1
                continue
            column = w & 0x7FF
            if column >= width:
                _fault(report, OUTSIDE_X, i, column)
                return n
            if now < last:
                _note_back(report, i, last, now)
            last = now
            t[n] = now
            x[n] = column
            y[n] = row
            p[n] = (w >> 11) & 1
            n += 1
        elif kind == 4 or kind == 5:  # VECT_12, VECT_8
            span = 12 if kind == 4 else 8
            bits = w & 0xFFF if kind == 4 else w & 0xFF
            column = base
            base = base + span if base >= 0 else base
            placed = now >= 0 and row >= 0 and column >= 0
            if bits and placed:
                if now < last:
                    _note_back(report, i, last, now)
                last = now
            while bits:
                if bits & 1:
                    if not placed:
                        report[3] += 1
                    elif column >= width:
                        _fault(report, OUTSIDE_X, i, column)
                        return n
                    else:
                        t[n] = now
                        x[n] = column
                        y[n] = row
                        p[n] = sign
                        n += 1
                bits >>= 1
                column += 1
        elif kind == 0:  # EVT_ADDR_Y
            row = w & 0x7FF
            if row >= height:
                _fault(report, OUTSIDE_Y, i, row)
                return n
        elif kind == 6:  # EVT_TIME_LOW
            low = w & 0xFFF
            if high >= 0:
                now = (lap << 24) | (high << 12) | low
        elif kind == 3:  # VECT_BASE_X
            base = w & 0x7FF
            sign = (w >> 11) & 1
        elif kind == 8:  # EVT_TIME_HIGH
            new = w & 0xFFF
            if new != high:
                if high - new > 1 << 11:
                    lap += 1
                high = new
                low = 0
                now = (lap << 24) | (high << 12)
        elif not (EVT3_TYPES >> kind) & 1:
            _fault(report, RESERVED, i, kind)
            return n
    return n
