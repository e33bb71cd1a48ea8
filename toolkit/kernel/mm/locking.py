"""mlock and its family (mm/mlock.c), and populating ranges (mm/gup.c). Checks are in the kernel's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
    MLOCK_ONFAULT,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    VM_ACCESS,
    VM_DROPPABLE,
    VM_IO,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_PFNMAP,
    VM_PKEY_EXECUTE_ONLY,
    VM_SHARED,
    VM_SPECIAL,
    VM_WRITE,
    page_ceiling,
)
from toolkit.abi.process import RLIM_INFINITY, RLIMIT_MEMLOCK
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, faults
from toolkit.kernel.mm.areas import ADDRESS_END, Area
from toolkit.kernel.mm.frames import OutOfMemoryError
from toolkit.kernel.mm.modifying import modify
from toolkit.kernel.mm.residence import RESIDENT

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace

_LOCK_FLAGS = VM_LOCKED | VM_LOCKONFAULT


def mlock(space: AddressSpace, address: int, length: int, flags: int) -> None:
    """See AddressSpace.mlock (do_mlock)."""
    if flags & ~MLOCK_ONFAULT:
        raise SyscallError(Errno.EINVAL)
    if not accounting.may_lock(space):
        raise SyscallError(Errno.EPERM)
    start, length = _aligned(address, length)
    limit = space.limits.soft(RLIMIT_MEMLOCK)
    if not space.limits.privileged and limit != RLIM_INFINITY:
        already = sum(area.pages for area in _parts(space, start, start + length) if area.flags & VM_LOCKED)
        if space.locked_pages - already + (length >> PAGE_SHIFT) > limit >> PAGE_SHIFT:
            raise SyscallError(Errno.ENOMEM)
    _apply(space, start, length, VM_LOCKED | (VM_LOCKONFAULT if flags & MLOCK_ONFAULT else 0))
    error = populate(space, start, start + length, stop=True)
    if error is not None:
        raise SyscallError(Errno.EAGAIN if error == Errno.ENOMEM else Errno.ENOMEM)


def munlock(space: AddressSpace, address: int, length: int) -> None:
    """See AddressSpace.munlock."""
    start, length = _aligned(address, length)
    _apply(space, start, length, 0)


def mlockall(space: AddressSpace, flags: int) -> None:
    """See AddressSpace.mlockall."""
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise SyscallError(Errno.EINVAL)
    if not accounting.may_lock(space):
        raise SyscallError(Errno.EPERM)
    limit = space.limits.soft(RLIMIT_MEMLOCK)
    if flags & MCL_CURRENT and not space.limits.privileged and space.total_pages > limit >> PAGE_SHIFT:
        raise SyscallError(Errno.ENOMEM)
    lock = VM_LOCKED | (VM_LOCKONFAULT if flags & MCL_ONFAULT else 0)
    space.future_flags = lock if flags & MCL_FUTURE else 0
    if flags & MCL_CURRENT:
        _set_all(space, lock)
        populate(space, 0, space.layout.task_size)


def munlockall(space: AddressSpace) -> None:
    """See AddressSpace.munlockall."""
    space.future_flags = 0
    _set_all(space, 0)


def populate(space: AddressSpace, start: int, end: int, *, stop: bool = False) -> Errno | None:
    """Fault in [start, end) as far as the rights go (__mm_populate).

    With ``stop`` the first failure ends it and is returned.
    """
    for area in space.areas.overlapping(start, end):
        error = populate_area(space, area, max(start, area.start), min(end, area.end))
        if error is not None and stop:
            return error
    return None


def populate_area(space: AddressSpace, area: Area, start: int, end: int) -> Errno | None:
    """populate_vma_page_range: writable private pages are touched by a write, so that they are copied now."""
    if area.flags & (VM_IO | VM_PFNMAP | VM_LOCKONFAULT):
        return None
    if not area.flags & VM_ACCESS or area.flags & VM_PKEY_EXECUTE_ONLY:
        return Errno.EFAULT
    return touch(space, start, end, area.flags & (VM_WRITE | VM_SHARED) == VM_WRITE)


def touch(space: AddressSpace, start: int, end: int, write: bool) -> Errno | None:
    """Fault in each page of a range that lies in one area, and mark it as used (FOLL_TOUCH)."""
    table, wanted = space.table, 2 if write else RESIDENT
    try:
        for address in range(start, end, PAGE_SIZE):
            if not table.entry(address) & wanted:
                area = space.areas.find(address)
                assert area is not None
                result = faults.resolve(space, area, address, write)
                if isinstance(result, faults.Refused):
                    return Errno.EFAULT
                faults.count(space, result)
            slot = table.slot(address)
            if write:
                table.words[slot] |= PTE_DIRTY
            space.frames.mark_accessed((table.words[slot] & PTE_FRAME_MASK) >> PAGE_SHIFT)
    except OutOfMemoryError:
        return Errno.ENOMEM
    return None


def _aligned(address: int, length: int) -> tuple[int, int]:
    """Start and length in whole pages, in 64 bits."""
    total = page_ceiling(length + (address & (PAGE_SIZE - 1))) % ADDRESS_END
    return address & PAGE_MASK & (ADDRESS_END - 1), total


def _parts(space: AddressSpace, start: int, end: int) -> list[Area]:
    found = space.areas.overlapping(start, end)
    return [area.part(max(start, area.start), min(end, area.end)) for area in found]


def _apply(space: AddressSpace, start: int, length: int, lock: int) -> None:
    """apply_vma_lock_flags. Raises EINVAL, ENOMEM."""
    end = start + length
    if end >= ADDRESS_END:
        raise SyscallError(Errno.EINVAL)
    position = start
    while position < end:
        area = space.areas.find(position)
        if area is None:
            raise SyscallError(Errno.ENOMEM)
        stop = min(area.end, end)
        _fix(space, area, position, stop, lock)
        position = stop


def _fix(space: AddressSpace, area: Area, start: int, end: int, lock: int) -> None:
    """mlock_fixup: areas that can't be locked are passed over in silence."""
    flags = area.flags & ~_LOCK_FLAGS | lock
    if flags != area.flags and not area.flags & (VM_SPECIAL | VM_DROPPABLE):
        modify(space, area, start, end, flags=flags)


def _set_all(space: AddressSpace, lock: int) -> None:
    position = 0
    while (area := space.areas.first_ending_above(position)) is not None:
        position = area.end
        try:
            _fix(space, area, area.start, area.end, lock)
        except SyscallError:
            continue
