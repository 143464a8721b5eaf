"""The cache: never stale, never half-written, never fooled by damage."""

import errno
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from neurosim.data import cache as cache_module
from neurosim.data.cache import Cache, CacheError
from neurosim.data.transforms import Compose, FlipX, ToFrames
from neurosim.errors import RangeError, ShapeError
from neurosim.events import Events
from neurosim.files import replacing

STEP = ToFrames(n_bins=4)
EVENTS = Events(t=[0, 5, 9], x=[1, 2, 3], y=[0, 0, 1], p=[0, 1, 1], sensor_size=(4, 2, 2))


class Counted:
    """A compute function that counts its calls."""

    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self):
        self.calls += 1
        return self.value


def entries(folder):
    return sorted(folder.glob("*/*.npz"))


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.bin"
    path.write_bytes(b"recording one")
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.fixture
def settled(monkeypatch):
    """Files just written count as old, so that their hashes are remembered."""
    monkeypatch.setattr(cache_module, "RACY", -(10**12))


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize(
    "value",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.zeros((0, 3), np.int16),
        np.array(3.5),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros(3, [("x", np.int16), ("t", np.int64)]),
    ],
    ids=["frames", "empty", "scalar", "fortran", "structured"],
)
def test_second_get_reads_an_equal_array_from_disk(tmp_path, compression, value):
    compute = Counted(value)
    for _ in range(2):
        got = Cache(tmp_path / "c", compression).get(b"raw", STEP, compute)
        assert np.array_equal(got, value) and got.dtype == value.dtype and got.shape == value.shape
    assert compute.calls == 1


def test_events_and_dicts_come_back_as_such(tmp_path):
    both = {"frames": np.ones(3), "label": np.array(7)}
    for _ in range(2):
        cache = Cache(tmp_path)
        assert cache.get(b"events", STEP, lambda: EVENTS) == EVENTS
        assert cache.get(b"none", STEP, lambda: Events.empty((4, 2, 2))) == Events.empty((4, 2, 2))
        got = cache.get(b"dict", STEP, lambda: both)
        assert list(got) == ["frames", "label"] and got["label"] == 7 and np.array_equal(got["frames"], np.ones(3))
    assert cache.size().entries == 3


def test_changed_file_is_computed_again_even_with_its_size_and_date_kept(tmp_path, raw, settled):
    cache = Cache(tmp_path / "c")
    cache.get(raw, STEP, lambda: np.zeros(1))
    raw.write_bytes(b"recording two")
    os.utime(raw, ns=(10**18, 10**18))
    assert cache.get(raw, STEP, lambda: np.ones(1))[0] == 1
    raw.write_bytes(b"recording one")
    assert cache.get(raw, STEP, lambda: np.ones(1))[0] == 0, "the old content has its entry still"


def test_renamed_or_copied_file_hits_the_same_entry(tmp_path, raw):
    cache = Cache(tmp_path / "c")
    cache.get(raw, STEP, lambda: np.zeros(1))
    other = raw.with_name("copy.bin")
    other.write_bytes(raw.read_bytes())
    assert cache.get(str(other), STEP, Counted(np.ones(1)))[0] == 0


def test_changed_transform_or_version_is_another_entry(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    keys = {
        cache.key(b"raw", t) for t in (STEP, ToFrames(n_bins=5), Compose([STEP]), {"name": "ToFrames", "n_bins": 4})
    }
    monkeypatch.setattr(cache_module, "CACHE_VERSION", 2)
    keys.add(cache.key(b"raw", STEP))
    assert len(keys) == 5
    assert cache.key(b"raw", STEP.to_config()) == cache.key(b"raw", STEP)


def test_bytes_never_collide_with_a_file_of_the_same_content(tmp_path, raw):
    cache = Cache(tmp_path)
    assert cache.key(raw, STEP) != cache.key(raw.read_bytes(), STEP)


def test_hash_of_an_unchanged_file_is_remembered(tmp_path, raw, settled, monkeypatch):
    cache = Cache(tmp_path / "c")
    first = cache.key(raw, STEP)
    monkeypatch.setattr(cache_module.hashlib, "file_digest", None)
    assert cache.key(raw, STEP) == first


def test_hash_of_a_file_changed_just_now_is_not_remembered(tmp_path, raw):
    cache = Cache(tmp_path / "c")
    cache.key(raw, STEP)
    assert cache._hashes == {}


def test_file_rewritten_during_compute_is_not_stored(tmp_path, raw):
    def compute():
        raw.write_bytes(b"something else")
        return np.zeros(1)

    cache = Cache(tmp_path / "c")
    cache.get(raw, STEP, compute)
    assert cache.size().entries == 0


def _flip(data):
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "damage", [_flip, lambda d: d[:-30], lambda d: d[:100], lambda d: b"", lambda d: b"not a zip", lambda d: d[4:]]
)
@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_damaged_entry_is_computed_again_and_repaired(tmp_path, damage, compression):
    compute = Counted(np.random.default_rng(0).integers(0, 9, 1000))
    cache = Cache(tmp_path, compression)
    cache.get(b"raw", STEP, compute)
    (entry,) = entries(tmp_path)
    entry.write_bytes(damage(entry.read_bytes()))
    for _ in range(2):
        assert np.array_equal(cache.get(b"raw", STEP, compute), compute.value)
    assert compute.calls == 2


def test_every_flipped_byte_gives_the_right_value_or_a_recomputation(tmp_path):
    value = np.arange(4, dtype=np.int16)
    cache = Cache(tmp_path)
    cache.get(b"raw", STEP, lambda: value)
    (entry,) = entries(tmp_path)
    data = entry.read_bytes()
    for i in range(len(data)):
        entry.write_bytes(data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :])
        got = cache_module._read(entry)
        assert got is None or (np.array_equal(got, value) and got.dtype == value.dtype), f"byte {i}"


def test_wrong_checksum_with_intact_zip_is_noticed(tmp_path):
    cache = Cache(tmp_path)
    cache.get(b"raw", STEP, lambda: np.zeros(3))
    (entry,) = entries(tmp_path)
    with np.load(entry) as file:
        arrays = dict(file)
    arrays["value0"] = np.ones(3)
    np.savez(entry, **arrays)
    assert cache.get(b"raw", STEP, lambda: np.zeros(3))[0] == 0
    assert zipfile.ZipFile(entry).testzip() is None


def test_full_disk_raises_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = Cache(tmp_path)
    monkeypatch.setattr(cache_module.np, "savez", full)
    with pytest.raises(CacheError, match=r"No space left on device. Check the path"):
        cache.get(b"raw", STEP, lambda: np.zeros(3))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(file, **arrays):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module.np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).get(b"raw", STEP, lambda: np.zeros(3))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_many_threads_write_the_same_entry(tmp_path):
    value = np.arange(5000)

    def work(_):
        return np.array_equal(Cache(tmp_path).get(b"raw", STEP, lambda: value.copy()), value)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))
    assert [p.suffix for p in tmp_path.rglob("*") if p.is_file()] == [".npz"]


def test_entries_follow_the_umask_so_that_a_folder_can_be_shared(tmp_path):
    before = os.umask(0o022)
    try:
        Cache(tmp_path).get(b"raw", STEP, lambda: np.zeros(3))
    finally:
        os.umask(before)
    assert entries(tmp_path)[0].stat().st_mode & 0o777 == 0o644


def test_failing_compute_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError):
        Cache(tmp_path).get(b"raw", STEP, lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_used_raises(tmp_path, raw):
    with pytest.raises(CacheError, match=r"raw.bin.*File exists"):
        Cache(raw)
    with pytest.raises(CacheError, match="Not a directory"):
        Cache(raw / "below")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_raises(tmp_path):
    cache = Cache(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CacheError, match="Permission denied"):
            cache.get(b"raw", STEP, lambda: np.zeros(3))
    finally:
        tmp_path.chmod(0o700)


def test_missing_raw_file_raises(tmp_path):
    with pytest.raises(CacheError, match=r"nothing.bin: No such file"):
        Cache(tmp_path).get(tmp_path / "nothing.bin", STEP, lambda: np.zeros(1))


@pytest.mark.parametrize("transform", [FlipX(), Compose([FlipX(), STEP])])
def test_random_transforms_are_refused(tmp_path, transform):
    with pytest.raises(RangeError, match="is random, a stored result would repeat"):
        Cache(tmp_path).get(b"raw", transform, lambda: np.zeros(1))


@pytest.mark.parametrize("config", [{"a": object()}, {"a": float("nan")}])
def test_configuration_that_is_not_json_raises(tmp_path, config):
    with pytest.raises(RangeError, match="configuration must be JSON"):
        Cache(tmp_path).key(b"raw", config)


@pytest.mark.parametrize("value", [None, [1, 2], np.array([{}, None]), {"a": 3}, {1: np.zeros(1)}])
def test_values_that_are_not_arrays_raise_and_are_not_stored(tmp_path, value):
    with pytest.raises(ShapeError, match="compute must give a numpy array"):
        Cache(tmp_path).get(b"raw", STEP, lambda: value)
    assert Cache(tmp_path).size().entries == 0


def test_unknown_compression_raises(tmp_path):
    with pytest.raises(RangeError, match="Did you mean 'deflate'"):
        Cache(tmp_path, "deflated")


def test_clear_deletes_entries_and_leftovers_and_nothing_else(tmp_path):
    cache = Cache(tmp_path)
    for i in range(3):
        cache.get(bytes([i]), STEP, lambda: np.zeros(100))
    entry = entries(tmp_path)[0]
    with replacing(entry) as part:
        leftover = entry.with_name(part.name)
    leftover.write_bytes(b"of a killed process")
    mine = tmp_path / "ab" / "my results.npz"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"keep me")
    size = cache.size()
    assert size.entries == 3 and size.bytes > 2400 and str(size).startswith("3 entries, 0.0 MB")
    assert cache.clear() == 3
    assert cache.size().entries == 0 and mine.exists() and not leftover.exists() and leftover.suffix == ".part"


def test_repr_names_the_folder(tmp_path):
    assert repr(Cache(tmp_path)) == f"Cache({str(tmp_path)!r}, compression='none')"
