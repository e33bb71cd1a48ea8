"""System V shared memory: segments that processes attach (shmop(2), ipc/shm.c).

How many attachments a segment has is not counted but seen: each is an area of some address space that shows it. mm
tells `Attachment.area_closed` when such an area is gone, so munmap, exec and exit need nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi import ipc as a
from toolkit.abi import memory as m
from toolkit.abi.errno import Errno
from toolkit.abi.process import RLIMIT_MEMLOCK
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import READ, WRITE, IpcObject, Registry, seconds
from toolkit.kernel.mm import accounting
from toolkit.kernel.mm.page_cache import PageCache

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.task import Process, Thread

_HUGE_PAGE_LOGS = (0, 21, 30)


class Segment(IpcObject):
    """One segment; `pages.size` is what was asked for, in bytes."""

    def __init__(self, process: Process, key: int, mode: int, size: int, charged: int) -> None:
        super().__init__(process, key, mode)
        self.pages = PageCache(process.kernel.frames, None, size)
        self.file_name = f"/SYSV{key & 0xFFFFFFFF:08x} (deleted)"
        """Of the file behind it, as /proc/PID/maps shows it: IPC_RMID takes the key away, but not this name."""
        self.charged = charged
        self.creator = process.pid
        self.last = 0
        self.attached_at = self.detached_at = 0

    @property
    def page_count(self) -> int:
        """Pages, the last one included."""
        return self.pages.page_count

    @property
    def doomed(self) -> bool:
        """Removed, and kept only for those who have it attached."""
        return bool(self.mode & a.SHM_DEST)


class Attachment:
    """The file that one shmat maps (`mm.page_cache.Backing`)."""

    readable = mappable = executable = True
    huge_aligned = False
    device = (0, 1)

    def __init__(self, memory: SharedMemory, segment: Segment, writable: bool) -> None:
        self._memory = memory
        self.segment = segment
        self.writable = writable

    @property
    def name(self) -> str:
        return self.segment.file_name

    @property
    def inode(self) -> int:
        return self.segment.id

    @property
    def pages(self) -> PageCache:
        return self.segment.pages

    def area_closed(self, space: AddressSpace) -> None:
        """An area of the space that showed the segment is gone (shm_close)."""
        self._memory.detached(self.segment, space)


class SharedMemory:
    """The segments of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.registry: Registry[Segment] = Registry(a.SHMMNI)
        self.total_pages = 0
        """shm_tot. Kept, because each shmget is checked against SHMALL."""
        kernel.fork_hooks.append(self._forked)

    def get(self, process: Process, key: int, size: int, flags: int) -> int:
        """shmget(2). EACCES, EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC, EPERM."""
        found = self.registry.by_key(key, flags)
        if found is None:
            return self._create(process, key, size, flags)
        if size > found.pages.size:
            raise SyscallError(Errno.EINVAL)
        found.require(process, flags)
        return found.id

    def _create(self, process: Process, key: int, size: int, flags: int) -> int:
        """newseg()."""
        if not a.SHMMIN <= size <= a.SHMMAX:
            raise SyscallError(Errno.EINVAL)
        pages = (size + m.PAGE_SIZE - 1) >> m.PAGE_SHIFT
        if self.total_pages + pages > a.SHMALL:
            raise SyscallError(Errno.ENOSPC)
        if flags & a.SHM_HUGETLB:
            self._refuse_huge_pages(process, flags)
        never = process.kernel.frames.commitment.mode == m.OVERCOMMIT_NEVER
        charged = 0 if flags & a.SHM_NORESERVE and not never else pages
        accounting.charge(process.memory, charged)
        segment = Segment(process, key, flags, size, charged)
        try:
            self.registry.add(segment)
        except SyscallError:
            self._free(segment)
            raise
        self.total_pages += pages
        return segment.id

    def _refuse_huge_pages(self, process: Process, flags: int) -> None:
        """The machine has no huge pages: as Linux with an empty pool."""
        if flags >> a.SHM_HUGE_SHIFT & a.SHM_HUGE_MASK not in _HUGE_PAGE_LOGS:
            raise SyscallError(Errno.EINVAL)
        raise SyscallError(Errno.ENOMEM if process.privileged else Errno.EPERM)

    def attach(self, thread: Thread, number: int, address: int, flags: int) -> int:
        """shmat(2): the address. EACCES, EINVAL, ENOMEM, and what mmap says."""
        if number < 0:
            raise SyscallError(Errno.EINVAL)
        place = _attach_address(address, flags)
        read_only = bool(flags & a.SHM_RDONLY)
        prot = m.PROT_READ | (0 if read_only else m.PROT_WRITE)
        wanted = READ | (0 if read_only else WRITE)
        if flags & a.SHM_EXEC:
            prot |= m.PROT_EXEC
            wanted |= 0o111
        segment = self.registry.find(number)
        segment.require(thread.process, wanted)
        space, size = thread.memory, segment.pages.size
        # MAP_FIXED_NOREPLACE would refuse the same, but as EEXIST, and after other checks.
        if place and not flags & a.SHM_REMAP and (place + size >= 1 << 64 or _taken(space, place, size)):
            raise SyscallError(Errno.EINVAL)
        mode = m.MAP_SHARED | (m.MAP_FIXED if address else 0)
        place = space.mmap(place, size, prot, mode, Attachment(self, segment, not read_only))
        self._attached(segment, thread.process)
        return place

    def detach(self, thread: Thread, address: int) -> int:
        """shmdt(2): all that is left of the attachment that began at the address. EINVAL."""
        if address & (m.PAGE_SIZE - 1):
            raise SyscallError(Errno.EINVAL)
        parts = [area for area in attached_areas(thread.memory) if _origin(area) == address]
        if not parts:
            raise SyscallError(Errno.EINVAL)
        backing = parts[0].backing
        limit = address + m.page_ceiling(backing.pages.size)
        for area in parts:
            if area is parts[0] or (area.backing is backing and area.end <= limit):
                thread.memory.munmap(area.start, area.length)
        return 0

    def attachments(self, segment: Segment) -> int:
        """shm_nattch: areas of all processes that show the segment."""
        return sum(
            area.backing.segment is segment
            for space in self.kernel.frames.spaces
            for area in attached_areas(space)
        )

    def lock(self, process: Process, number: int, locked: bool) -> None:
        """SHM_LOCK and SHM_UNLOCK. EINVAL, EPERM."""
        segment = self.registry.find(number)
        if not process.privileged:
            segment.require_owner(process)
            if locked and not process.soft(RLIMIT_MEMLOCK):
                raise SyscallError(Errno.EPERM)
        segment.mode = segment.mode | a.SHM_LOCKED if locked else segment.mode & ~a.SHM_LOCKED

    def remove(self, segment: Segment) -> None:
        """IPC_RMID: the segment goes with the last attachment; until then its key is private."""
        segment.mode |= a.SHM_DEST
        segment.key = a.IPC_PRIVATE
        self._sweep(segment)

    def detached(self, segment: Segment, space: AddressSpace) -> None:
        """See `Attachment.area_closed`."""
        owner = next((each for each in self.kernel.processes.all() if each.memory is space), None)
        if owner is None and self.kernel.current is not None:
            owner = self.kernel.current.process
        segment.detached_at = seconds(self.kernel)
        segment.last = owner.pid if owner is not None else segment.last
        self._sweep(segment)

    def _attached(self, segment: Segment, process: Process) -> None:
        segment.attached_at, segment.last = seconds(self.kernel), process.pid

    def _forked(self, parent: Process, child: Process) -> None:
        """fork copies areas, and so attaches (shm_open)."""
        if self.registry.objects and child.memory is not parent.memory:
            for area in attached_areas(child.memory):
                self._attached(area.backing.segment, parent)

    def _sweep(self, segment: Segment) -> None:
        if segment.doomed and not segment.gone and not self.attachments(segment):
            self.registry.remove(segment)
            self.total_pages -= segment.page_count
            self._free(segment)

    def _free(self, segment: Segment) -> None:
        segment.pages.release()
        self.kernel.frames.commitment.release(segment.charged)


def attached_areas(space: AddressSpace) -> Iterator[Area]:
    """The areas that show segments."""
    return (area for area in tuple(space.areas) if type(area.backing) is Attachment)


def _attach_address(address: int, flags: int) -> int:
    """The page where shmat is to attach. EINVAL."""
    rounded = address & m.PAGE_MASK
    if rounded != address and not flags & a.SHM_RND:
        raise SyscallError(Errno.EINVAL)
    if not rounded and flags & a.SHM_REMAP:
        raise SyscallError(Errno.EINVAL)
    return rounded


def _taken(space: AddressSpace, address: int, size: int) -> bool:
    return space.areas.intersects(address, address + size)


def _origin(area: Area) -> int:
    """Where the attachment that an area is part of begins."""
    return area.start - (area.offset << m.PAGE_SHIFT)
