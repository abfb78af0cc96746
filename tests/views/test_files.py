"""Files are written whole or not at all, and what is no file stays what it is."""

import os
import stat
import threading

import pytest

from numel.errors import UsageError
from numel.views.files import write_whole


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old and longer")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_a_link_points_at_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "target").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("target")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_pipe_stays_a_pipe_and_gets_the_answer(tmp_path):
    """So does a device: as root, a renamed file would take the place of /dev/null for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"answer")
    reader.join(timeout=10)
    assert got == [b"answer"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_place_where_nothing_can_be_written_is_named_and_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "gone" / "a.txt"):
        with pytest.raises(UsageError, match="cannot write"):
            write_whole(path, b"x")
    assert os.listdir(tmp_path) == ["folder"]
