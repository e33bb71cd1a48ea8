"""The out-of-memory killer (mm/oom_kill.c): who is chosen, what the kernel's log says, and freeing the victim's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi.memory import PAGE_SHIFT, VM_PFNMAP, VM_SHARED
from toolkit.kernel.mm import residence
from toolkit.kernel.mm.frames import ANONYMOUS, FILE, SHMEM

if TYPE_CHECKING:
    from toolkit.kernel.mm.frames import Frames
    from toolkit.kernel.mm.space import AddressSpace

SCORE_ADJUSTMENT_MINIMUM, SCORE_ADJUSTMENT_MAXIMUM = -1000, 1000
"""The range of /proc/PID/oom_score_adj; the minimum exempts a process."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A process the killer may choose. ``kill`` makes SIGKILL pending for it."""

    space: AddressSpace
    pid: int
    name: str
    uid: int
    kill: Callable[[], object]


def badness(space: AddressSpace) -> int | None:
    """Pages that killing would free, plus the adjustment's share of all memory; None: not to be killed, or dead (oom_badness)."""
    adjustment = space.oom_score_adj
    if adjustment == SCORE_ADJUSTMENT_MINIMUM or space not in space.frames.spaces:
        return None
    return _points(_used(space), adjustment, _total(space.frames))


def oom_score(space: AddressSpace) -> int:
    """/proc/PID/oom_score; 0 for a process that is exempt or dead (proc_oom_score)."""
    if badness(space) is None:
        return 0
    return scaled(_used(space), space.oom_score_adj, _total(space.frames))


def scaled(used: int, adjustment: int, total: int) -> int:
    """The badness of a process that uses ``used`` of ``total`` pages, on a scale from 0 to 1333."""
    points = _points(used, adjustment, total)
    return (1000 + int(points * 1000 / total)) * 2 // 3


def _used(space: AddressSpace) -> int:
    """Pages in memory, on swap and of page tables."""
    return space.resident_pages + space.swap_entries + (space.table.table_bytes >> PAGE_SHIFT)


def _points(used: int, adjustment: int, total: int) -> int:
    return used + adjustment * (total // 1000)


class OutOfMemoryKiller:
    """What ``Frames.out_of_memory`` calls. ``log`` collects the kernel's messages.

    ``candidates`` gives the processes that live now; ``current`` the one that asked for memory. A victim other than the current one
    is stripped of its private memory at once, as the kernel's reaper does; the current one only gets the
    signal, and the fault or system call that wanted memory ends in it.
    """

    def __init__(
        self,
        frames: Frames,
        candidates: Callable[[], Iterable[Candidate]],
        current: Callable[[], AddressSpace | None],
    ) -> None:
        self.frames = frames
        self.log: list[str] = []
        self._candidates = candidates
        self._current = current
        self._killed: set[AddressSpace] = set()

    def __call__(self) -> bool:
        """Kill the worst process; whether memory was freed so that the allocation can be tried again."""
        current = self._current()
        candidates = list(self._candidates())
        victim = choose([one for one in candidates if one.space not in self._killed])
        if victim is None:
            return False
        invoker = next((one for one in candidates if one.space is current), victim)
        self.log += messages(invoker, victim)
        self._killed = {space for space in self._killed if space in self.frames.spaces} | {victim.space}
        victim.kill()
        if victim.space is current:
            return False
        before = self.frames.free_count
        reap(victim.space)
        return self.frames.free_count > before


def choose(candidates: Iterable[Candidate]) -> Candidate | None:
    """The candidate with the highest badness, the first of equals (select_bad_process)."""
    worst: Candidate | None = None
    most = 0
    for candidate in candidates:
        points = badness(candidate.space)
        if points is not None and (worst is None or points > most):
            worst, most = candidate, points
    return worst


def messages(invoker: Candidate, victim: Candidate) -> list[str]:
    """The lines of the kernel's log, without its time stamps and the state of memory between them."""
    space = victim.space
    kilobytes = {
        "total-vm": space.total_pages << 2,
        "anon-rss": space.resident[ANONYMOUS] << 2,
        "file-rss": space.resident[FILE] << 2,
        "shmem-rss": space.resident[SHMEM] << 2,
    }
    sizes = ", ".join(f"{label}:{value}kB" for label, value in kilobytes.items())
    return [
        f"{invoker.name} invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP), "
        f"order=0, oom_score_adj={invoker.space.oom_score_adj}",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,"
        f"task={victim.name},pid={victim.pid},uid={victim.uid}",
        f"Out of memory: Killed process {victim.pid} ({victim.name}) {sizes}, UID:{victim.uid} "
        f"pgtables:{space.table.table_bytes >> 10}kB oom_score_adj:{space.oom_score_adj}",
    ]


def reap(space: AddressSpace) -> None:
    """Free the private pages of a process that will never run again (__oom_reap_task_mm)."""
    for area in list(space.areas):
        if not area.flags & (VM_PFNMAP | VM_SHARED):
            residence.unmap(space, area)


def _total(frames: Frames) -> int:
    return max(frames.total + frames.swap.size, 1)
