"""System V shared memory: segments that processes attach (shmop(2), ipc/shm.c).

How many attachments a segment has is not counted but seen: each is an area of some address space. So fork, exec,
munmap and exit need no bookkeeping here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import memory as m
from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import IPC_PRIVATE, READ, WRITE, IpcObject, Registry, requested
from toolkit.kernel.mm.page_cache import PageCache

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.task import Process, Thread

SHM_RDONLY = 0o10000
SHM_RND = 0o20000
SHM_REMAP = 0o40000
SHM_EXEC = 0o100000
SHM_DEST = 0o1000
SHM_LOCKED = 0o2000
SEGMENTS_MAXIMUM = 4096
SIZE_MAXIMUM = (1 << 64) - 1 - (1 << 24)
HEADER = (
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
    "      atime      dtime      ctime                   rss                  swap\n"
)


class Segment(IpcObject):
    """One segment; `size` in bytes as asked for."""

    def __init__(self, process: Process, key: int, mode: int, size: int) -> None:
        super().__init__(process, key, mode)
        self.size = size
        pages = (size + m.PAGE_SIZE - 1) & ~(m.PAGE_SIZE - 1)
        self.pages = PageCache(process.kernel.frames, None, pages)
        self.creator = process.pid
        self.last = 0
        self.attached_at = 0
        self.detached_at = 0
        self.locked = False


class Attachment:
    """What one shmat maps (`mm.pages.Backing`)."""

    readable = True
    mappable = True
    executable = True
    device = (0, 1)

    def __init__(self, segment: Segment, writable: bool) -> None:
        self.segment = segment
        self.writable = writable

    @property
    def name(self) -> str:
        """As /proc/PID/maps shows it: the file of a segment never has a name in the tree."""
        return f"/SYSV{self.segment.key & 0xFFFFFFFF:08x} (deleted)"

    @property
    def inode(self) -> int:
        return self.segment.id

    @property
    def pages(self) -> PageCache:
        return self.segment.pages


class SharedMemory:
    """The segments of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.registry: Registry[Segment] = Registry(kernel, SEGMENTS_MAXIMUM)
        kernel.exit_hooks.append(self.process_ends)

    def now(self) -> int:
        """Seconds since 1970."""
        return self.kernel.clock.realtime // NANOSECONDS

    def get(self, process: Process, key: int, size: int, flags: int) -> int:
        """shmget(2). EINVAL, ENOENT, EEXIST, EACCES, ENOSPC."""
        self.sweep()
        found = self.registry.by_key(key, flags)
        if found is not None:
            if size > found.size:
                raise SyscallError(Errno.EINVAL)
            found.require(process, requested(flags))
            return found.id
        if not 1 <= size <= SIZE_MAXIMUM:
            raise SyscallError(Errno.EINVAL)
        if size > self.kernel.frames.total << m.PAGE_SHIFT:
            raise SyscallError(Errno.ENOMEM)
        return self.registry.add(Segment(process, key, flags, size))

    def attach(self, thread: Thread, number: int, address: int, flags: int) -> int:
        """shmat(2): the address. EINVAL, EACCES, ENOMEM."""
        self.sweep()
        segment = self.registry.find(number)
        low = m.PAGE_SIZE - 1
        if address & low:
            if not flags & SHM_RND or (address <= low and flags & SHM_REMAP):
                raise SyscallError(Errno.EINVAL)
            address &= ~low
        elif not address and flags & SHM_REMAP:
            raise SyscallError(Errno.EINVAL)
        read_only = bool(flags & SHM_RDONLY)
        segment.require(thread.process, READ if read_only else READ | WRITE)
        prot = m.PROT_READ | (0 if read_only else m.PROT_WRITE) | (m.PROT_EXEC if flags & SHM_EXEC else 0)
        mode = m.MAP_SHARED
        if address:
            mode |= m.MAP_FIXED if flags & SHM_REMAP else m.MAP_FIXED_NOREPLACE
        try:
            place = thread.memory.mmap(
                address, segment.pages.size, prot, mode, Attachment(segment, not read_only)
            )
        except SyscallError as error:
            raise SyscallError(Errno.EINVAL if error.errno is Errno.EEXIST else error.errno) from None
        segment.attached_at, segment.last = self.now(), thread.process.pid
        return place

    def detach(self, thread: Thread, address: int) -> int:
        """shmdt(2): the attachment that begins at the address, in all its parts. EINVAL."""
        if address & (m.PAGE_SIZE - 1):
            raise SyscallError(Errno.EINVAL)
        parts = [area for area in attached_areas(thread.process) if origin(area) == address]
        if not parts:
            raise SyscallError(Errno.EINVAL)
        segment: Segment = parts[0].backing.segment
        for area in parts:
            thread.memory.munmap(area.start, area.length)
        segment.detached_at, segment.last = self.now(), thread.process.pid
        self.sweep()
        return 0

    def attachments(self, segment: Segment) -> int:
        """shm_nattch: areas of all processes that show the segment."""
        return sum(
            1
            for space in self.kernel.frames.spaces
            for area in space.areas
            if isinstance(area.backing, Attachment) and area.backing.segment is segment
        )

    def process_ends(self, process: Process) -> None:
        """Exit detaches."""
        if not self.registry.objects:
            return
        for area in attached_areas(process):
            segment: Segment = area.backing.segment
            segment.detached_at, segment.last = self.now(), process.pid

    def mark_removed(self, segment: Segment) -> None:
        """IPC_RMID: gone with the last attachment; until then its key is private."""
        segment.removed = True
        segment.key = IPC_PRIVATE
        self.sweep()

    def sweep(self) -> None:
        """Destroy the removed segments that nobody has attached."""
        for segment in tuple(self.registry.objects.values()):
            if segment.removed and not self.attachments(segment):
                self.registry.remove(segment)
                segment.pages.release()

    def render(self) -> str:
        """/proc/sysvipc/shm."""
        self.sweep()
        return HEADER + "".join(self._line(segment) for segment in self.registry.objects.values())

    def _line(self, segment: Segment) -> str:
        flags = (SHM_DEST if segment.removed else 0) | (SHM_LOCKED if segment.locked else 0)
        resident = len(segment.pages.resident) << m.PAGE_SHIFT
        swapped = len(segment.pages.swapped) << m.PAGE_SHIFT
        return (
            f"{segment.key:10d} {segment.id:10d}  {segment.mode | flags:4o} {segment.size:21d}"
            f" {segment.creator:5d} {segment.last:5d}  {self.attachments(segment):5d} {segment.uid:5d} {segment.gid:5d}"
            f" {segment.creator_uid:5d} {segment.creator_gid:5d} {segment.attached_at:10d} {segment.detached_at:10d}"
            f" {segment.changed:10d} {resident:21d} {swapped:21d}\n"
        )


def attached_areas(process: Process) -> list[Area]:
    """The areas of a process that show segments."""
    return [area for area in process.memory.areas if isinstance(area.backing, Attachment)]


def origin(area: Area) -> int:
    """Where the attachment that an area is part of begins."""
    return area.start - (area.offset << m.PAGE_SHIFT)
