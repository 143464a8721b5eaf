"""Small encoders of the formats we read, written from the published descriptions, and strategies for events."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
from hypothesis import strategies as st

from neurosim.events import Events


@st.composite
def events(draw, size=(34, 34, 2), max_step=100_000, max_start=1 << 20, max_events=60):
    """Sorted events on a sensor, with runs of equal timestamps."""
    width, height, polarities = size
    rows = draw(
        st.lists(
            st.tuples(
                st.one_of(st.just(0), st.integers(0, max_step)),
                st.integers(0, width - 1),
                st.integers(0, height - 1),
                st.integers(0, polarities - 1),
            ),
            max_size=max_events,
        )
    )
    steps, x, y, p = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    steps[:1] = draw(st.integers(0, max_start))
    return Events(np.cumsum(steps), x, y, p, size)


def evt_header(version: str, size) -> bytes:
    return f"% date 2024-01-01 00:00:00\n% evt {version}\n% geometry {size[0]}x{size[1]}\n% end\n".encode()


def encode_evt2(e: Events, order="<") -> bytes:
    words, high = [], None
    for t, x, y, p in zip(e.t.tolist(), e.x.tolist(), e.y.tolist(), e.p.tolist(), strict=True):
        if (now := (t >> 6) & 0xFFFFFFF) != high:
            high = now
            words.append(0x8 << 28 | high)
        words.append(p << 28 | (t & 0x3F) << 22 | x << 11 | y)
    return evt_header("2.0", e.sensor_size) + np.array(words, f"{order}u4").tobytes()


def encode_evt3(e: Events, vectors=True) -> bytes:
    """EVT 3.0, with vectors for runs of one time, row and polarity, and the high time repeated now and then."""
    words: list[int] = []
    high = low = row = None
    rows = list(zip(e.t.tolist(), e.x.tolist(), e.y.tolist(), e.p.tolist(), strict=True))
    i = 0
    while i < len(rows):
        t, x, y, p = rows[i]
        if (now := (t >> 12) & 0xFFF) != high or i % 7 == 0:
            high, low = now, (low if now == high else None)
            words.append(0x8000 | high)
        if (now := t & 0xFFF) != low:
            low = now
            words.append(0x6000 | low)
        if y != row:
            row = y
            words.append(y)
        run = [x]
        while vectors and i + len(run) < len(rows):
            t2, x2, y2, p2 = rows[i + len(run)]
            if (t2, y2, p2) != (t, y, p) or not run[-1] < x2 < x + 32:
                break
            run.append(x2)
        words += [0x2000 | p << 11 | x] if len(run) == 1 else _vector(run, p)
        i += len(run)
    return evt_header("3.0", e.sensor_size) + np.array(words, "<u2").tobytes()


def _vector(run: list[int], p: int) -> list[int]:
    bits = sum(1 << (x - run[0]) for x in run)
    return [
        0x3000 | p << 11 | run[0],
        0x4000 | bits & 0xFFF,
        0x4000 | bits >> 12 & 0xFFF,
        0x5000 | bits >> 24 & 0xFF,
    ]


def encode_dat(e: Events, version=2, header=True) -> bytes:
    lines = f"% Data file containing CD events\n% Version {version}\n"
    if header:
        lines += f"% Width {e.sensor_size[0]}\n% Height {e.sensor_size[1]}\n"
    x, y, p = (c.astype(np.uint32) for c in (e.x, e.y, e.p))
    word = x | y << 14 | p << 28 if version == 2 else x | y << 9 | p << 17
    return lines.encode() + b"\x0c\x08" + np.stack([e.t.astype(np.uint32), word], 1).astype("<u4").tobytes()


def encode_nmnist(e: Events) -> bytes:
    rows = zip(e.t.tolist(), e.x.tolist(), e.y.tolist(), e.p.tolist(), strict=True)
    return b"".join(struct.pack(">BBBH", x, y, p << 7 | t >> 16, t & 0xFFFF) for t, x, y, p in rows)


def encode_aedat2(e: Events, chip="DVS128") -> bytes:
    x, y, p = (c.astype(np.uint32) for c in (e.x, e.y, e.p))
    address = x << 12 | y << 22 | p << 11 if chip.startswith("Davis") else x << 1 | y << 8 | p
    head = f"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.{chip}\r\n#End Of ASCII Header\r\n"
    return head.encode() + np.stack([address, e.t.astype(np.uint32)], 1).astype(">u4").tobytes()


def aedat3_packet(e: Events, valid=None, source=1, kind=1) -> bytes:
    valid = np.ones(len(e), np.uint32) if valid is None else np.asarray(valid, np.uint32)
    overflow = int(e.t[0] >> 31) if len(e) else 0
    word = valid | e.p.astype(np.uint32) << 1 | e.y.astype(np.uint32) << 2 | e.x.astype(np.uint32) << 17
    body = np.stack([word, (e.t & 0x7FFFFFFF).astype(np.uint32)], 1).astype("<u4").tobytes()
    return struct.pack("<hhiiiiii", kind, source, 8, 4, overflow, len(e), len(e), int(valid.sum())) + body


def aedat3_header(camera="DVS128") -> bytes:
    return f"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: {camera}\r\n#!END-HEADER\r\n".encode()


def write_shd(path: Path, samples, labels, dtype="f4") -> None:
    """``samples``: list of (times [s], units)."""
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(samples),), h5py.vlen_dtype(np.dtype(dtype)))
        units = file.create_dataset("spikes/units", (len(samples),), h5py.vlen_dtype(np.dtype("u2")))
        for i, (t, unit) in enumerate(samples):
            times[i], units[i] = np.asarray(t, dtype), np.asarray(unit, "u2")
        file["labels"] = np.asarray(labels)
        file["extra/keys"] = np.array([b"zero", b"one"])


def write_npz(path: Path, recordings: list[Events], labels) -> None:
    ends = np.cumsum([0] + [len(e) for e in recordings])
    joined = {c: np.concatenate([np.empty(0, "u1")] + [getattr(e, c).astype("u1") for e in recordings]) for c in "xyp"}
    steps = np.concatenate([np.empty(0, np.uint32)] + [np.diff(e.t, prepend=0).astype(np.uint32) for e in recordings])
    np.savez_compressed(path, **joined, dt=steps, offsets=ends, labels=labels, ids=np.arange(len(recordings)))
