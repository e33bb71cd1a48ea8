"""madvise, msync, mincore and naming areas (mm/madvise.c, mm/msync.c, mm/mincore.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    ANON_VMA_NAME_MAX_LEN,
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_HUGEPAGE,
    MADV_KEEPONFORK,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_UNMERGEABLE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_HUGEPAGE,
    VM_IO,
    VM_LOCKED,
    VM_MAYBE_GUARD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_READ,
    VM_SEALED,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
    page_ceiling,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import faults, locking, reclaim, residence
from toolkit.kernel.mm.areas import ADDRESS_END, Area
from toolkit.kernel.mm.frames import OutOfMemoryError
from toolkit.kernel.mm.modifying import modify
from toolkit.kernel.mm.shared import SharedMemory, SpecialPages

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace

Visit = Callable[["AddressSpace", Area, int, int], None]

# Advice that only changes flags: (bits to clear, bits to set).
_FLAG_ADVICE: dict[int, tuple[int, int]] = {
    MADV_NORMAL: (VM_RAND_READ | VM_SEQ_READ, 0),
    MADV_SEQUENTIAL: (VM_RAND_READ, VM_SEQ_READ),
    MADV_RANDOM: (VM_SEQ_READ, VM_RAND_READ),
    MADV_DONTFORK: (0, VM_DONTCOPY),
    MADV_DOFORK: (VM_DONTCOPY, 0),
    MADV_WIPEONFORK: (0, VM_WIPEONFORK),
    MADV_KEEPONFORK: (VM_WIPEONFORK, 0),
    MADV_DONTDUMP: (0, VM_DONTDUMP),
    MADV_DODUMP: (VM_DONTDUMP, 0),
    MADV_MERGEABLE: (0, VM_MERGEABLE),
    MADV_UNMERGEABLE: (VM_MERGEABLE, 0),
    MADV_HUGEPAGE: (VM_NOHUGEPAGE, VM_HUGEPAGE),
    MADV_NOHUGEPAGE: (VM_HUGEPAGE, VM_NOHUGEPAGE),
}


# What takes contents away: refused for sealed anonymous memory that may not be written either (is_discard).
_DISCARDING = frozenset(
    {
        MADV_DONTFORK,
        MADV_DONTNEED,
        MADV_DONTNEED_LOCKED,
        MADV_FREE,
        MADV_GUARD_INSTALL,
        MADV_REMOVE,
        MADV_WIPEONFORK,
    }
)


def madvise(space: AddressSpace, address: int, length: int, advice: int) -> None:
    """See AddressSpace.madvise (do_madvise)."""
    populating = advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
    if advice not in _FLAG_ADVICE and advice not in _PAGE_ADVICE and not populating:
        raise SyscallError(Errno.EINVAL)
    end = _range_end(address, length)
    if end == address:
        return
    if populating:
        _populate(space, address, end, advice == MADV_POPULATE_WRITE)
    else:
        _walk(space, address, end, lambda space, area, start, stop: _advise(space, area, start, stop, advice))


def _advise(space: AddressSpace, area: Area, start: int, end: int, advice: int) -> None:
    """One area's part of a range (madvise_vma_behavior)."""
    if advice in _DISCARDING and area.flags & (VM_SEALED | VM_WRITE) == VM_SEALED and area.backing is None:
        raise SyscallError(Errno.EPERM)
    if advice in _FLAG_ADVICE:
        _set_flags(space, area, start, end, advice)
    else:
        _PAGE_ADVICE[advice](space, area, start, end)


def name_area(space: AddressSpace, address: int, length: int, name: bytes | None) -> None:
    """See AddressSpace.name_area (prctl_set_vma, madvise_set_anon_name)."""
    if name is not None and (
        len(name) >= ANON_VMA_NAME_MAX_LEN
        or any(not 0x1F < byte < 0x7F or byte in b"\\`$[]" for byte in name)
    ):
        raise SyscallError(Errno.EINVAL)
    end = _range_end(address, length)
    text = name.decode("ascii") if name else None

    def rename(space: AddressSpace, area: Area, start: int, stop: int) -> None:
        if area.backing is not None and not isinstance(area.backing, SharedMemory):
            raise SyscallError(Errno.EBADF)
        kind = "anon" if area.backing is None else "anon_shmem"
        new = f"[{kind}:{text}]" if text is not None else None
        if new != area.name:
            modify(space, area, start, stop, name=new)

    if end != address:
        _walk(space, address, end, rename)


def msync(space: AddressSpace, address: int, length: int, flags: int) -> None:
    """See AddressSpace.msync."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or address & (PAGE_SIZE - 1):
        raise SyscallError(Errno.EINVAL)
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise SyscallError(Errno.EINVAL)
    length = page_ceiling(length) % ADDRESS_END
    if address + length >= ADDRESS_END:
        raise SyscallError(Errno.ENOMEM)
    end, holes = address + length, False
    while address < end:
        area = space.areas.first_ending_above(address)
        if area is None or (area.start > address and (flags == MS_ASYNC or area.start >= end)):
            raise SyscallError(Errno.ENOMEM)
        holes = holes or area.start > address
        if flags & MS_INVALIDATE and area.flags & VM_LOCKED:
            raise SyscallError(Errno.EBUSY)
        if flags & MS_SYNC and area.backing is not None and area.flags & VM_SHARED:
            area.backing.pages.sync(
                area.page_offset(max(address, area.start)), area.page_offset(min(end, area.end))
            )
        address = area.end
    if holes:
        raise SyscallError(Errno.ENOMEM)


def mincore(space: AddressSpace, address: int, length: int, vector: int) -> None:
    """See AddressSpace.mincore."""
    limit = space.layout.task_size
    if address & (PAGE_SIZE - 1):
        raise SyscallError(Errno.EINVAL)
    if length > limit or address > limit - length:
        raise SyscallError(Errno.ENOMEM)
    pages = page_ceiling(length) >> PAGE_SHIFT
    if pages > limit or vector > limit - pages:
        raise SyscallError(Errno.EFAULT)
    while pages:
        area = space.areas.find(address)
        if area is None:
            raise SyscallError(Errno.ENOMEM)
        count = min(pages, (area.end - address) >> PAGE_SHIFT, PAGE_SIZE)
        space.write(vector, _residence(space, area, address, count))
        address += count << PAGE_SHIFT
        vector += count
        pages -= count


def _residence(space: AddressSpace, area: Area, address: int, count: int) -> bytes:
    """One byte a page: mapped, or in the page cache."""
    state = bytearray(count)
    end = address + (count << PAGE_SHIFT)
    absent = set(range(count)) if area.backing is not None else set()
    for start, slot, entries in space.table.slots(address, end):
        position = (start - address) >> PAGE_SHIFT
        for index, entry in enumerate(space.table.words[slot : slot + entries].tolist(), position):
            if entry not in (0, residence.GUARD):
                state[index] = 1 if entry & residence.RESIDENT or _in_swap_cache(space, entry) else 0
                absent.discard(index)
    if area.backing is not None:
        cache, first = area.backing.pages, area.page_offset(address)
        for index in absent:
            if first + index < cache.page_count:
                state[index] = 1 if cache.is_cached(first + index) else 0
    return bytes(state)


def _in_swap_cache(space: AddressSpace, entry: int) -> bool:
    return space.frames.swap.frame_of(residence.swap_slot(entry)) is not None


def _has_file(area: Area) -> bool:
    """Whether the area shows a file; the kernel's own pages are none."""
    return area.backing is not None and not isinstance(area.backing, SpecialPages)


def _range_end(address: int, length: int) -> int:
    """The end of a page-aligned range that does not wrap. Raises EINVAL."""
    end = address + page_ceiling(length)
    if address & (PAGE_SIZE - 1) or end >= ADDRESS_END:
        raise SyscallError(Errno.EINVAL)
    return end


def _walk(space: AddressSpace, start: int, end: int, visit: Visit) -> None:
    """Visit each area's part of a range; ENOMEM at the end if some of it was not mapped (madvise_walk_vmas)."""
    holes = False
    while start < end:
        area = space.areas.first_ending_above(start)
        if area is None:
            raise SyscallError(Errno.ENOMEM)
        if area.start > start:
            holes, start = True, area.start
            if start >= end:
                break
        stop = min(area.end, end)
        visit(space, area, start, stop)
        start = stop
    if holes:
        raise SyscallError(Errno.ENOMEM)


def _set_flags(space: AddressSpace, area: Area, start: int, end: int, advice: int) -> None:
    """Advice that is kept in the area. Raises EAGAIN, EINVAL."""
    clear, add = _FLAG_ADVICE[advice]
    flags = area.flags
    if (
        (advice == MADV_DOFORK and flags & VM_IO)
        or (advice == MADV_WIPEONFORK and (_has_file(area) or flags & VM_SHARED))
        or (advice in (MADV_KEEPONFORK, MADV_DODUMP) and flags & VM_DROPPABLE)
        or (advice == MADV_DODUMP and flags & VM_SPECIAL)
    ):
        raise SyscallError(Errno.EINVAL)
    if advice == MADV_MERGEABLE and (flags & VM_SPECIAL or flags & (VM_SHARED | VM_MAYSHARE | VM_DROPPABLE)):
        return
    changed = flags & ~clear | add
    if changed == flags:
        return
    try:
        modify(space, area, start, end, flags=changed)
    except SyscallError as error:
        raise SyscallError(Errno.EAGAIN) from error


def _dont_need(space: AddressSpace, area: Area, start: int, end: int) -> None:
    if area.flags & (VM_PFNMAP | VM_LOCKED):
        raise SyscallError(Errno.EINVAL)
    residence.zap(space, area, start, end)


def _dont_need_locked(space: AddressSpace, area: Area, start: int, end: int) -> None:
    if area.flags & VM_PFNMAP:
        raise SyscallError(Errno.EINVAL)
    residence.zap(space, area, start, end)


def _free(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """MADV_FREE: the pages stay until memory is short, and are kept if written again."""
    if area.flags & (VM_PFNMAP | VM_LOCKED) or area.backing is not None:
        raise SyscallError(Errno.EINVAL)
    reclaim.mark_free(space, start, end)


def _will_need(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """Read ahead: file pages come into the cache, and nothing is mapped."""
    if area.backing is None:
        return
    cache = area.backing.pages
    cache.read_ahead(area.page_offset(start), min(area.page_offset(end), cache.page_count))


def _cold(space: AddressSpace, area: Area, start: int, end: int) -> None:
    if area.flags & (VM_LOCKED | VM_PFNMAP):
        raise SyscallError(Errno.EINVAL)
    reclaim.make_old(space, start, end)


def _page_out(space: AddressSpace, area: Area, start: int, end: int) -> None:
    if area.flags & (VM_LOCKED | VM_PFNMAP):
        raise SyscallError(Errno.EINVAL)
    reclaim.page_out(space, area, start, end)


def _remove(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """MADV_REMOVE: punch a hole into the file behind a shared writable mapping."""
    if area.flags & VM_LOCKED or not _has_file(area):
        raise SyscallError(Errno.EINVAL)
    if area.flags & (VM_SHARED | VM_MAYWRITE) != VM_SHARED | VM_MAYWRITE:
        raise SyscallError(Errno.EACCES)
    area.backing.pages.punch(area.page_offset(start), area.page_offset(end))


def _collapse(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """MADV_COLLAPSE: there are no huge pages to collapse into."""
    raise SyscallError(Errno.EINVAL)


def _install_guards(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """MADV_GUARD_INSTALL: what the pages held goes, and every access to them is refused (madvise_guard_install).

    The whole area is marked as one that may have guards, so that fork copies its entries; an anonymous one gets its group.
    """
    if area.flags & (VM_SPECIAL | VM_LOCKED):
        raise SyscallError(Errno.EINVAL)
    if area.backing is None:
        area = faults.prepare_group(space, area)
    marked = area._replace(flags=area.flags | VM_MAYBE_GUARD)
    space.areas.replace(area, marked)
    residence.zap(space, marked, start, end)
    try:
        residence.install_guards(space, start, end)
    except OutOfMemoryError as error:
        raise SyscallError(Errno.ENOMEM) from error


def _remove_guards(space: AddressSpace, area: Area, start: int, end: int) -> None:
    if area.flags & VM_SPECIAL:
        raise SyscallError(Errno.EINVAL)
    residence.remove_guards(space, start, end)


_PAGE_ADVICE: dict[int, Visit] = {
    MADV_DONTNEED: _dont_need,
    MADV_DONTNEED_LOCKED: _dont_need_locked,
    MADV_FREE: _free,
    MADV_WILLNEED: _will_need,
    MADV_COLD: _cold,
    MADV_PAGEOUT: _page_out,
    MADV_REMOVE: _remove,
    MADV_COLLAPSE: _collapse,
    MADV_GUARD_INSTALL: _install_guards,
    MADV_GUARD_REMOVE: _remove_guards,
}


def _populate(space: AddressSpace, start: int, end: int, write: bool) -> None:
    """MADV_POPULATE_READ and _WRITE (madvise_populate). Raises EFAULT, EINVAL, ENOMEM."""
    while start < end:
        area = space.areas.find(start)
        if area is None:
            raise SyscallError(Errno.ENOMEM)
        needed = VM_WRITE if write else VM_READ
        if not area.flags & needed or area.flags & (VM_IO | VM_PFNMAP):
            raise SyscallError(Errno.EINVAL)
        stop = min(area.end, end)
        error = locking.touch(space, start, stop, write)
        if error is not None:
            raise SyscallError(error)
        start = stop
