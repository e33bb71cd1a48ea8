"""What a process may do: its user and group ids, and its resource limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi import process as p

if TYPE_CHECKING:
    from toolkit.kernel.limits import Limits

STACK_LIMIT = 8 << 20
"""RLIMIT_STACK of a login, in bytes."""


@dataclass
class Credentials:
    """User and group ids (credentials(7))."""

    uid: int
    gid: int
    euid: int
    egid: int
    suid: int
    sgid: int
    fsuid: int
    fsgid: int
    groups: tuple[int, ...] = ()


def login(uid: int, gid: int) -> Credentials:
    """The credentials of a login as `uid` and `gid`."""
    return Credentials(uid, gid, uid, gid, uid, gid, uid, gid, (gid,))


@dataclass
class ResourceLimits:
    """Soft and hard limits by RLIMIT_ number (getrlimit(2))."""

    values: dict[int, tuple[int, int]]

    @property
    def open_files(self) -> int:
        return self.values[p.RLIMIT_NOFILE][0]

    @property
    def pending_signals(self) -> int:
        return self.values[p.RLIMIT_SIGPENDING][0]

    @property
    def stack(self) -> int:
        return self.values[p.RLIMIT_STACK][0]

    def copy(self) -> ResourceLimits:
        return ResourceLimits(dict(self.values))


def login_limits(limits: Limits) -> ResourceLimits:
    """The limits of a login."""
    infinite = (p.RLIM_INFINITY, p.RLIM_INFINITY)
    values = dict.fromkeys(range(p.RLIM_NLIMITS), infinite)
    values[p.RLIMIT_STACK] = (STACK_LIMIT, p.RLIM_INFINITY)
    values[p.RLIMIT_CORE] = (0, p.RLIM_INFINITY)
    values[p.RLIMIT_NPROC] = (limits.processes, limits.processes)
    values[p.RLIMIT_NOFILE] = (limits.open_files, limits.open_files_hard)
    values[p.RLIMIT_MEMLOCK] = (8 << 20, 8 << 20)
    values[p.RLIMIT_SIGPENDING] = (4096, 4096)
    values[p.RLIMIT_MSGQUEUE] = (819200, 819200)
    values[p.RLIMIT_NICE] = (0, 0)
    values[p.RLIMIT_RTPRIO] = (0, 0)
    return ResourceLimits(values)
