"""The address space of a process: its areas, its page tables, and every operation on them.

Semantics are Linux 6.18's. Arguments are integers as the program gave them (0 ≤ value < 2^64); results are what
the kernel returns; refusals are ``SyscallError``. The operations live in the modules beside this one, one family
each; this class holds the state and is the one door to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from toolkit.abi.memory import (
    MAX_MAP_COUNT,
    PROT_EXEC,
    PROT_READ,
    VM_ACCOUNT,
    VM_LOCKED,
)
from toolkit.abi.process import RLIM_INFINITY
from toolkit.kernel.mm import (
    access,
    advice,
    cloning,
    faults,
    locking,
    mapping,
    protection,
    remapping,
    residence,
    states,
)
from toolkit.kernel.mm.areas import Area, AreaSet
from toolkit.kernel.mm.faults import Refused, Resolved
from toolkit.kernel.mm.page_table import PageTable, Step
from toolkit.kernel.mm.reclaim import Reclaimer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.kernel.mm.frames import Frames, PhysicalMemory
    from toolkit.kernel.mm.page_cache import Backing, PageCache
    from toolkit.kernel.mm.states import PageState
    from toolkit.personality.layout import Layout


class Limits(Protocol):
    """A process's resource limits and the privileges that lift some of them."""

    def soft(self, resource: int) -> int:
        """The soft limit RLIMIT_… now in force; RLIM_INFINITY for none."""

    @property
    def privileged(self) -> bool:
        """Whether the process has CAP_IPC_LOCK, CAP_SYS_ADMIN and CAP_SYS_RAWIO, as root has."""


@dataclass
class FixedLimits:
    """Limits that are told once: for tests and tools."""

    values: dict[int, int] = field(default_factory=dict)
    privileged: bool = True

    def soft(self, resource: int) -> int:
        return self.values.get(resource, RLIM_INFINITY)


@dataclass
class FaultCounts:
    """What getrusage calls ru_minflt and ru_majflt. It belongs to the task: exec hands it to the new space."""

    minor: int = 0
    major: int = 0


@dataclass
class Places:
    """Addresses that exec notes down for /proc and brk (struct mm_struct's start_code and so on)."""

    start_code: int = 0
    end_code: int = 0
    start_data: int = 0
    end_data: int = 0
    start_brk: int = 0
    brk: int = 0
    start_stack: int = 0
    arg_start: int = 0
    arg_end: int = 0
    env_start: int = 0
    env_end: int = 0


class AddressSpace:
    """One process's memory.

    ``places`` is set by exec; ``future_flags`` are the VM_LOCKED bits of mlockall(MCL_FUTURE). Call ``release`` when the last
    task that uses it ends.
    """

    def __init__(
        self,
        machine: PhysicalMemory,
        frames: Frames,
        layout: Layout,
        limits: Limits,
        *,
        stack_limit: int = 8 << 20,
        faults: FaultCounts | None = None,
    ) -> None:
        self.machine = machine
        self.frames = frames
        self.layout = layout
        self.limits = limits
        self.mmap_base = layout.mmap_base(stack_limit)
        self.faults = faults if faults is not None else FaultCounts()
        self.places = Places()
        self.areas = AreaSet()
        self.table = PageTable(frames)
        self.max_map_count = MAX_MAP_COUNT
        self.future_flags = 0
        self.total_pages = 0
        """Pages in areas (total_vm). Kept, because each mmap is checked against RLIMIT_AS."""
        self.peak_pages = 0
        self.resident = [0] * 6
        """Entries that point at frames of each kind (frames.ANONYMOUS, FILE, SHMEM); kept for VmHWM."""
        self.peak_resident = 0
        self.swap_entries = 0
        self.oom_score_adj = 0
        self.read_implies_exec = False
        """personality(2): readable mappings and the heap are executable too (old i386 programs)."""
        self.uses_keys = False
        """Whether some area is execute-only."""
        if not frames.spaces:
            frames.reclaim = Reclaimer(frames)
        frames.spaces[self] = None

    # Mapping

    def mmap(
        self,
        address: int,
        length: int,
        prot: int,
        flags: int,
        backing: Backing | None = None,
        offset: int = 0,
    ) -> int:
        """mmap(2): map ``length`` bytes; ``offset`` in bytes, already checked to be a multiple of the page size.

        ``backing`` is the file of a descriptor the caller has checked (EBADF), None with MAP_ANONYMOUS. Returns the address.
        Raises EACCES, EAGAIN, EEXIST, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM.
        """
        if self.read_implies_exec and prot & PROT_READ:
            prot |= PROT_EXEC
        return mapping.mmap(self, address, length, prot, flags, backing, offset)

    def munmap(self, address: int, length: int) -> None:
        """munmap(2). Raises EINVAL, ENOMEM, EPERM."""
        mapping.munmap(self, address, length)

    def brk(self, address: int) -> int:
        """brk(2) as the system call: the new break, or the old one when it can't be set."""
        return mapping.brk(self, address)

    def map_special(self, start: int, vm_flags: int, name: str, frames: Sequence[int]) -> None:
        """Map the kernel's own frames, one a page, as an area that can't be split or merged: [vdso], [vvar]."""
        mapping.map_special(self, start, vm_flags, name, frames)

    def map_content(self, start: int, content: bytes, *, writable: bool) -> None:
        """A private anonymous area that holds ``content``: as if the program had mapped, filled and perhaps protected it.

        Raises ENOMEM, and ValueError unless it is whole pages with a free page before and behind.
        """
        mapping.map_content(self, start, content, writable=writable)

    def map_stack(self, end: int, size: int, *, executable: bool = False) -> None:
        """Make the initial [stack] area of ``size`` bytes that ends at ``end`` and grows down."""
        mapping.map_stack(self, end, size, executable=executable)

    def mprotect(self, address: int, length: int, prot: int) -> None:
        """mprotect(2). Raises EACCES, EINVAL, ENOMEM (what came before the gap stays changed), EPERM."""
        if self.read_implies_exec and prot & PROT_READ:
            prot |= PROT_EXEC
        protection.mprotect(self, address, length, prot)

    def mremap(self, old: int, old_length: int, new_length: int, flags: int, new: int = 0) -> int:
        """mremap(2): the address of the mapping now. Raises EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM."""
        return remapping.mremap(self, old, old_length, new_length, flags, new)

    def mseal(self, address: int, length: int, flags: int) -> None:
        """mseal(2): the areas of the range can no longer be unmapped, moved, replaced or given other rights.

        Raises EINVAL, ENOMEM.
        """
        protection.mseal(self, address, length, flags)

    def madvise(self, address: int, length: int, advice_number: int) -> None:
        """madvise(2). Raises EACCES, EAGAIN, EBADF, EFAULT, EINVAL, ENOMEM, EPERM."""
        advice.madvise(self, address, length, advice_number)

    def msync(self, address: int, length: int, flags: int) -> None:
        """msync(2): changed pages of shared file mappings reach the storage. Raises EBUSY, EINVAL, ENOMEM."""
        advice.msync(self, address, length, flags)

    def mincore(self, address: int, length: int, vector: int) -> None:
        """mincore(2): write to ``vector`` one byte a page, 1 if it is resident. Raises EFAULT, EINVAL, ENOMEM."""
        advice.mincore(self, address, length, vector)

    def name_area(self, address: int, length: int, name: bytes | None) -> None:
        """prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME). Raises EBADF, EINVAL, ENOMEM."""
        advice.name_area(self, address, length, name)

    def mlock(self, address: int, length: int, flags: int = 0) -> None:
        """mlock(2), and mlock2(2) with MLOCK_ONFAULT. Raises EAGAIN, EINVAL, ENOMEM, EPERM."""
        locking.mlock(self, address, length, flags)

    def munlock(self, address: int, length: int) -> None:
        """munlock(2). Raises EINVAL, ENOMEM."""
        locking.munlock(self, address, length)

    def mlockall(self, flags: int) -> None:
        """mlockall(2). Raises EINVAL, ENOMEM, EPERM."""
        locking.mlockall(self, flags)

    def munlockall(self) -> None:
        """munlockall(2)."""
        locking.munlockall(self)

    # Faults and access

    def fault(self, address: int, error_code: int) -> Resolved | Refused:
        """What the page-fault handler does. ``error_code`` holds the PF_ bits.

        ``Refused(signal, code)`` is the signal to send with its si_code; SIGKILL means that memory ran out.
        """
        return faults.fault(self, address, error_code)

    def read(self, address: int, count: int) -> bytes:
        """copy_from_user. Raises EFAULT if any byte can't be read."""
        return access.read(self, address, count)

    def write(self, address: int, data: bytes) -> None:
        """copy_to_user. Raises EFAULT; what lies before the bad page has been written then, as in Linux."""
        access.write(self, address, data)

    def overwrite(self, address: int, data: bytes) -> bool:
        """Store ``data`` where pages are present and writable and no code lies: it needs no fault, and can be done while the program runs.

        False if any byte of it lies elsewhere: then nothing is stored.
        """
        return access.overwrite(self, address, data)

    def read_available(self, address: int, count: int) -> bytes:
        """The bytes that can be read before the first bad page: fewer than ``count``, perhaps none."""
        return access.read_available(self, address, count)

    def write_available(self, address: int, data: bytes) -> int:
        """Write up to the first bad page; the number of bytes written."""
        return access.write_available(self, address, data)

    def read_string(self, address: int, limit: int) -> bytes:
        """The bytes before the first NUL, at most ``limit`` of them (a result of that length has no NUL).

        Raises EFAULT if a bad page comes before the NUL or the limit (strncpy_from_user).
        """
        return access.read_string(self, address, limit)

    def peek(self, address: int, count: int) -> bytes | None:
        """What the program would read, with nothing touched, as a debugger looks; None where it would fault."""
        return access.peek(self, address, count)

    def poke(self, address: int, data: bytes) -> None:
        """Write whatever the area's rights are, as ptrace does: a private page is copied. Raises EFAULT."""
        access.poke(self, address, data)

    # Whole spaces

    def clone(self, limits: Limits | None = None) -> AddressSpace:
        """fork: a space with the same content, pages shared until written. Raises ENOMEM."""
        return cloning.clone(self, limits)

    def release(self) -> None:
        """Unmap everything and free the tables (exit_mmap); files keep what was written to shared mappings."""
        mapping.release(self)

    # Looking

    def area_at(self, address: int) -> Area | None:
        """The area that contains an address."""
        return self.areas.find(address)

    def page_state(self, address: int) -> PageState:
        """What is behind one page: resident, swapped, shared by how many, dirty, accessed."""
        return states.page_state(self, address)

    def walk(self, address: int) -> list[Step]:
        """The CPU's walk of the page tables for an address."""
        return self.table.walk(address)

    @property
    def resident_pages(self) -> int:
        """VmRSS in pages."""
        return sum(self.resident)

    @property
    def locked_pages(self) -> int:
        """VmLck in pages."""
        return sum(area.pages for area in self.areas if area.flags & VM_LOCKED)

    @property
    def charged_pages(self) -> int:
        """Pages this space has charged to Committed_AS."""
        return sum(area.pages for area in self.areas if area.flags & VM_ACCOUNT)

    # What page caches and reclaim ask

    def collect_dirty(self, cache: PageCache, first: int = 0, last: int | None = None) -> None:
        """Move the dirty bits of entries that show pages [first, last) of a cache to it (folio_mkclean)."""
        residence.collect_dirty(self, cache, first, last)

    def unmap_file_pages(self, cache: PageCache, first: int, last: int | None, *, copies: bool) -> None:
        """Remove entries that show pages [first, last) of a cache; with ``copies`` private copies of them too."""
        residence.unmap_file_pages(self, cache, first, last, copies=copies)

    def changed_areas(self, pages: int) -> None:
        """Account ``pages`` more (or fewer) pages of areas."""
        self.total_pages += pages
        if self.total_pages > self.peak_pages:
            self.peak_pages = self.total_pages
