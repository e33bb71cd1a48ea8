"""What a program changed below directories of the host, which the kernel itself never writes: for whoever wants to bring it back."""

from __future__ import annotations

import os
import stat as host_stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from toolkit.kernel.fs.storage import HostStorage
from toolkit.kernel.fs.vfs import Directory, HostDirectory, Inode, RegularFile, Symlink

Known = frozenset[int]
"""The identities of inodes that the kernel itself made: /proc, /dev, the program's directory and what was put there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, to be carried out in the order given. ``path`` is relative to the host directory.

    ``data``: a file's contents, or where a link points.
    """

    kind: Literal["remove", "directory", "file", "link", "mode"]
    path: bytes
    data: bytes = b""
    mode: int = 0


def known_inodes(root: Directory) -> Known:
    """Call it before the program runs."""
    found: set[int] = set()
    pending: list[Inode] = [root]
    while pending:
        inode = pending.pop()
        found.add(id(inode))
        if isinstance(inode, Directory):
            pending += inode.entries.values()
    return frozenset(found)


def changes_below(directory: HostDirectory, known: Known) -> Iterator[Change]:
    """Everything that differs from the host's directory now, of the parts that were looked at. Raises OSError."""
    yield from _host_directory(directory, b"", known)


def _host_directory(directory: HostDirectory, prefix: bytes, known: Known) -> Iterator[Change]:
    for name in sorted(directory.removed_names()):
        yield Change("remove", prefix + name)
    for name, inode in sorted(directory.entries.items()):
        path, host = prefix + name, directory.host_path_of(name)
        if isinstance(inode, HostDirectory) and inode.host_path == host:
            yield from _host_directory(inode, path + b"/", known)
            yield from _mode(inode, path, host)
        elif isinstance(inode, RegularFile) and _comes_from(inode, host):
            yield from _old_file(inode, path, host)
        elif isinstance(inode, Symlink) and os.path.islink(host):
            if os.fsencode(os.readlink(host)) != inode.text:
                yield from (Change("remove", path), Change("link", path, inode.text))
        else:
            yield from _new(inode, path, known)


def _old_file(inode: RegularFile, path: bytes, host: str) -> Iterator[Change]:
    storage = inode.pages.storage
    assert isinstance(storage, HostStorage)
    if not inode.pages.resident and not storage.changed and inode.size == os.path.getsize(host):
        yield from _mode(inode, path, host)
        return
    data = inode.pages.read(0, inode.size)
    with open(host, "rb") as file:
        changed = file.read() != data
    if changed:
        yield Change("file", path, data, _permissions(inode))
    else:
        yield from _mode(inode, path, host)


def _comes_from(inode: RegularFile, host: str) -> bool:
    storage = inode.pages.storage
    return isinstance(storage, HostStorage) and storage.host_path == host


def _permissions(inode: Inode) -> int:
    return inode.mode & 0o7777


def _mode(inode: Inode, path: bytes, host: str) -> Iterator[Change]:
    if host_stat.S_IMODE(os.lstat(host).st_mode) != _permissions(inode):
        yield Change("mode", path, mode=_permissions(inode))


def _new(inode: Inode, path: bytes, known: Known) -> Iterator[Change]:
    """What has no counterpart on the host; of the kernel's own directories only what the program put into them."""
    own = id(inode) in known
    if isinstance(inode, Directory):
        if type(inode) not in (Directory, HostDirectory):
            return  # /proc and /dev
        below = [each for name, entry in inode.names() for each in _new(entry, path + b"/" + name, known)]
        if below or not own:
            yield Change("directory", path, mode=_permissions(inode))
        yield from below
    elif isinstance(inode, RegularFile) and not own:
        yield Change("file", path, inode.pages.read(0, inode.size), _permissions(inode))
    elif isinstance(inode, Symlink) and not own:
        yield Change("link", path, inode.text)
