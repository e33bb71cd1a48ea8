"""Host directories seen by the program: looking at them changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.kernel.fs.vfs import FileSystem, HostDirectory
from toolkit.kernel.mm.page_cache import PageCache


def refuse(path: str, size: int) -> PageCache:
    raise AssertionError("no content is asked for")


@pytest.mark.skipif(os.name == "nt", reason="a directory's inode number")
def test_listing_a_host_directory_keeps_its_times(tmp_path: Path) -> None:
    (tmp_path / "inner" / "deeper").mkdir(parents=True)
    os.utime(tmp_path / "inner", ns=(5_000, 7_000))
    root = HostDirectory(FileSystem(lambda: 99, 1, 1), str(tmp_path), refuse)
    inner = root.lookup(b"inner")
    assert isinstance(inner, HostDirectory)
    before = inner.times.modified, inner.times.changed
    assert [name for name, _ in inner.names()] == [b"deeper"]
    assert (inner.times.modified, inner.times.changed) == before
    assert before[0] == 7_000
