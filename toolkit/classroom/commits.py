"""When the commit that a clone has checked out was made, read from ``.git`` without running git.

A clone's files have the time of the cloning. Git itself is not asked, because a repository's own configuration can make it run
programs. The committer's clock says the time: a student can set it, as with any hand-in by git.
"""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

LARGEST_COMMIT = 1 << 20  # bytes of a commit object
LARGEST_REFERENCES = 1 << 20  # bytes of packed-refs
COMMIT = 1  # the type of an object in a pack (gitformat-pack(5))
_NAME = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"ref: (refs/[A-Za-z0-9_./-]+)")
_COMMITTER = re.compile(rb"^committer .*> (\d{1,12}) [-+]\d{4}$", re.MULTILINE)


def commit_time(repository: Path) -> float | None:
    """Seconds since 1970 of the commit at HEAD; None where that can't be found out."""
    try:
        folder = repository / ".git"
        if folder.is_symlink() or not folder.is_dir():
            return None
        name = _head(folder)
        commit = None if name is None else _loose(folder, name) or _packed(folder, name)
    except (OSError, ValueError, zlib.error, struct.error):
        return None
    found = _COMMITTER.search((commit or b"").partition(b"\n\n")[0])
    return float(found[1]) if found else None


def _head(folder: Path) -> str | None:
    """The name of the commit that HEAD means: by itself, or through a branch."""
    text = _text(folder / "HEAD", 1000)
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        return text if _NAME.fullmatch(text) else None
    branch = reference[1]
    if ".." in branch:
        return None
    path = folder / branch
    name = _text(path, 1000) if path.is_file() else _packed_reference(folder, branch)
    return name if _NAME.fullmatch(name) else None


def _packed_reference(folder: Path, branch: str) -> str:
    for line in _text(folder / "packed-refs", LARGEST_REFERENCES).splitlines():
        name, _, rest = line.partition(" ")
        if rest == branch:
            return name
    return ""


def _open(path: Path) -> BinaryIO:
    """Raises OSError for what is no regular file of the repository's own."""
    if path.is_symlink() or not path.is_file():
        raise OSError(f"{path.name} is no regular file")
    return path.open("rb")


def _text(path: Path, limit: int) -> str:
    with _open(path) as file:
        return file.read(limit).decode("ascii", "replace").strip()


def _inflated(stream: BinaryIO) -> bytes:
    """What a zlib stream holds, as far as a commit may be long."""
    return zlib.decompressobj().decompress(stream.read(LARGEST_COMMIT), LARGEST_COMMIT)


def _loose(folder: Path, name: str) -> bytes | None:
    path = folder / "objects" / name[:2] / name[2:]
    if not path.is_file():
        return None
    with _open(path) as file:
        kind, _, body = _inflated(file).partition(b"\0")
    return body if kind.startswith(b"commit ") else None


def _packed(folder: Path, name: str) -> bytes | None:
    for index in sorted((folder / "objects" / "pack").glob("pack-*.idx")):
        with _open(index) as file:
            offset = _offset(file, bytes.fromhex(name))
        if offset is not None:
            with _open(index.with_suffix(".pack")) as file:
                return _at(file, offset)
    return None


def _offset(index: BinaryIO, name: bytes) -> int | None:
    """Where a pack's index says that an object is (version 2 of the format)."""
    magic, version, *fanout = struct.unpack(">4sI256I", index.read(8 + 1024))
    if magic != b"\xfftOc" or version != 2:
        return None
    low, high, total = fanout[name[0] - 1] if name[0] else 0, fanout[name[0]], fanout[255]
    while low < high:
        middle = (low + high) // 2
        index.seek(1032 + 20 * middle)
        here = index.read(20)
        if here == name:
            index.seek(1032 + 24 * total + 4 * middle)
            (offset,) = struct.unpack(">I", index.read(4))
            return offset if offset < 1 << 31 else _far_offset(index, total, offset - (1 << 31))
        low, high = (middle + 1, high) if here < name else (low, middle)
    return None


def _far_offset(index: BinaryIO, total: int, number: int) -> int:
    index.seek(1032 + 28 * total + 8 * number)
    (offset,) = struct.unpack(">Q", index.read(8))
    return int(offset)


def _at(pack: BinaryIO, offset: int) -> bytes | None:
    """A commit in a pack; None for one that is stored as a difference, which git does not do with the newest."""
    pack.seek(offset)
    (byte,) = pack.read(1)
    kind = byte >> 4 & 7
    while byte & 0x80:
        (byte,) = pack.read(1)
    return _inflated(pack) if kind == COMMIT else None
