"""Files that appear whole or not at all."""

import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.errors import OutputError
from neurosim.files import remove_parts, replacing, write_bytes, write_json


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    before=st.none() | st.binary(max_size=50), pieces=st.lists(st.binary(max_size=50), max_size=4), fails=st.booleans()
)
def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path, before, pieces, fails):
    path = tmp_path / "file"
    path.unlink(missing_ok=True)
    if before is not None:
        path.write_bytes(before)

    def seen():
        return path.read_bytes() if path.exists() else None

    try:
        with replacing(path) as part, open(part, "wb") as file:
            for piece in pieces:
                file.write(piece)
                file.flush()
                assert seen() == before
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert seen() == before
    else:
        assert seen() == b"".join(pieces)
    assert set(os.listdir(tmp_path)) <= {"file"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, FileNotFoundError, ValueError])
def test_what_the_writer_raises_passes_as_it_is(tmp_path, error):
    with pytest.raises(error) as found, replacing(tmp_path / "file") as part:
        part.write_text("half")
        raise error("of the writer")
    assert type(found.value) is error and os.listdir(tmp_path) == []


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_of_the_disk_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OutputError, match=r"file: cannot be written: No space left on device. Check the folder"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_content_is_on_the_disk_before_it_is_seen(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *a: (calls.append("fsync"), fsync(*a)))
    monkeypatch.setattr(os, "replace", lambda *a: (calls.append("replace"), replace(*a)))
    write_bytes(tmp_path / "file", b"new")
    with replacing(tmp_path / "other", sync=False):
        pass
    assert calls == ["fsync", "replace", "replace"]


def test_files_follow_the_umask_so_that_others_can_read_them(tmp_path):
    before = os.umask(0o022)
    try:
        write_json(tmp_path / "file", {"a": 1})
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/file", r"missing/file: cannot be written: No such file or directory. There is no folder .*missing\."),
        ("taken/file", r"taken/file: cannot be written: Not a directory. There is no folder .*taken\."),
        ("folder", r"folder: cannot be written: Is a directory"),
        ("x" * 300, "File name too long"),
        ("", "must name a file, not a folder"),
    ],
)
def test_a_path_that_cannot_be_written_says_why(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=message), replacing(name):
        pass
    assert sorted(os.listdir(tmp_path)) == ["folder", "taken"] and os.listdir(tmp_path / "folder") == []


def test_what_a_killed_process_left_behind_is_removed(tmp_path):
    killed = replacing(tmp_path / "file")
    part = killed.__enter__()
    (tmp_path / ".hidden").write_text("stays")
    remove_parts(tmp_path)
    assert not part.exists() and os.listdir(tmp_path) == [".hidden"]
