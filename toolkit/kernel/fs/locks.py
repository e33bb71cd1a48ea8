"""File locks: POSIX record locks, open-file-description locks, and flock (fcntl(2), flock(2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.vfs import Inode
from toolkit.kernel.waiting import Blocked, WaitQueue

END_OF_FILE = 1 << 63


@dataclass(frozen=True)
class Lock:
    """One locked range, [start, end); `owner` is a process or an open file."""

    owner: Any
    kind: int
    start: int
    end: int

    @staticmethod
    def make(owner: object, kind: int, start: int, length: int) -> Lock:
        """From fcntl's start and length: 0 means to the end, negative means backwards. EINVAL."""
        if length < 0:
            start, length = start + length, -length
        if start < 0:
            raise SyscallError(Errno.EINVAL)
        return Lock(owner, kind, start, start + length if length else END_OF_FILE)

    @property
    def length(self) -> int:
        """As fcntl tells it."""
        return 0 if self.end == END_OF_FILE else self.end - self.start

    @property
    def pid(self) -> int:
        """The owner's pid, -1 for an open file description."""
        return int(getattr(self.owner, "pid", -1))

    def overlaps(self, other: Lock) -> bool:
        """Whether the ranges meet."""
        return self.start < other.end and other.start < self.end


class LockTable:
    """The locks of one inode."""

    def __init__(self) -> None:
        self.locks: list[Lock] = []
        self.changed = WaitQueue("a file lock")


def table(inode: Inode, name: str = "lock_table") -> LockTable:
    """The inode's table, made on first use."""
    found: LockTable | None = inode.__dict__.get(name)
    if found is None:
        found = inode.__dict__[name] = LockTable()
    return found


def conflict(inode: Inode, request: Lock, name: str = "lock_table") -> Lock | None:
    """A lock of someone else that excludes the request."""
    for lock in table(inode, name).locks:
        if lock.owner is request.owner or not lock.overlaps(request):
            continue
        if f.F_WRLCK in (lock.kind, request.kind):
            return lock
    return None


def apply(inode: Inode, request: Lock, *, wait: bool, name: str = "lock_table") -> int:
    """Set or clear a lock: EAGAIN or Blocked when another excludes it."""
    locks = table(inode, name)
    if request.kind != f.F_UNLCK and conflict(inode, request, name) is not None:
        if wait:
            raise Blocked(locks.changed)
        raise SyscallError(Errno.EAGAIN)
    kept = []
    for lock in locks.locks:
        if lock.owner is not request.owner or not lock.overlaps(request):
            kept.append(lock)
            continue
        if lock.start < request.start:
            kept.append(Lock(lock.owner, lock.kind, lock.start, request.start))
        if lock.end > request.end:
            kept.append(Lock(lock.owner, lock.kind, request.end, lock.end))
    if request.kind != f.F_UNLCK:
        kept.append(request)
    locks.locks = kept
    locks.changed.wake()
    return 0


def whole_file(file: OpenFile, kind: int, *, wait: bool) -> int:
    """flock: the owner is the open file description."""
    return apply(file.node, Lock(file, kind, 0, END_OF_FILE), wait=wait, name="flock_table")


def release_all(inode: Inode, owner: object, name: str = "lock_table") -> None:
    """The owner closed the file: its locks are gone."""
    if name in inode.__dict__:
        locks = table(inode, name)
        before = len(locks.locks)
        locks.locks = [lock for lock in locks.locks if lock.owner is not owner]
        if len(locks.locks) != before:
            locks.changed.wake()
