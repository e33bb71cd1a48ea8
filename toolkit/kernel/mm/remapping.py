"""mremap (mm/mremap.c, Linux 6.18): growing and shrinking in place, moving, duplicating shared memory.

With MREMAP_FIXED and equal lengths the range may span several areas; they move together with the gaps between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    MAP_FIXED,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SEALED,
    VM_SHARED,
    page_ceiling,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, locking, mapping, placing, residence
from toolkit.kernel.mm.areas import ADDRESS_END, Area
from toolkit.kernel.mm.frames import OutOfMemoryError

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace

_TO = MREMAP_FIXED | MREMAP_DONTUNMAP


@dataclass
class _Request:
    """The arguments, lengths rounded up to pages."""

    old: int
    old_length: int
    new_length: int
    flags: int
    new: int

    @property
    def delta(self) -> int:
        """Bytes the mapping grows by; negative if it shrinks."""
        return self.new_length - self.old_length


def mremap(space: AddressSpace, old: int, old_length: int, new_length: int, flags: int, new: int) -> int:
    """See AddressSpace.mremap."""
    lengths = page_ceiling(old_length) % ADDRESS_END, page_ceiling(new_length) % ADDRESS_END
    request = _Request(old, *lengths, flags, new)
    _check_arguments(space, request)
    if flags & MREMAP_FIXED and request.delta == 0:
        return _move_each(space, request)
    area = _check_area(space, request)
    if flags & _TO:
        return _move_to(space, area, request)
    return _resize(space, area, request)


def _check_arguments(space: AddressSpace, request: _Request) -> None:
    """check_mremap_params. Raises EINVAL, ENOMEM."""
    limit = space.layout.task_size
    old_end = (
        request.old + request.old_length
    ) % ADDRESS_END  # an old length near 2^64 wraps, and overlaps nothing
    bad = (
        request.flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)
        or request.old & (PAGE_SIZE - 1)
        or not request.new_length
        or request.new_length > limit
    )
    if not bad and request.flags & _TO:
        bad = (
            request.new > limit - request.new_length
            or request.new & (PAGE_SIZE - 1)
            or not request.flags & MREMAP_MAYMOVE
            or (request.flags & MREMAP_DONTUNMAP and request.delta)
            or (old_end > request.new and request.new + request.new_length > request.old)
        )
        if not bad and len(space.areas) + 2 >= space.max_map_count - 3:
            raise SyscallError(Errno.ENOMEM)
    if bad:
        raise SyscallError(Errno.EINVAL)


def _check_area(space: AddressSpace, request: _Request) -> Area:
    """check_prep_vma. Raises EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM."""
    area = space.areas.find(request.old)
    if area is None:
        raise SyscallError(Errno.EFAULT)
    if area.flags & VM_SEALED:
        raise SyscallError(Errno.EPERM)
    if request.delta <= 0 and not request.flags & _TO:
        return area
    fixed_size = area.flags & (VM_DONTEXPAND | VM_PFNMAP)
    if (not request.old_length and not area.flags & (VM_SHARED | VM_MAYSHARE)) or (
        request.flags & MREMAP_DONTUNMAP and fixed_size
    ):
        raise SyscallError(Errno.EINVAL)
    if min(request.old_length, request.new_length) > area.end - request.old:
        raise SyscallError(Errno.EFAULT)
    if request.delta <= 0:
        return area
    pages = request.new_length >> PAGE_SHIFT
    if area.page_offset(request.old) + pages >= ADDRESS_END:
        raise SyscallError(Errno.EINVAL)
    if fixed_size:
        raise SyscallError(Errno.EFAULT)
    if not accounting.may_lock_more(space, area.flags, request.delta >> PAGE_SHIFT):
        raise SyscallError(Errno.EAGAIN)
    if not accounting.may_expand(space, area.flags, request.delta >> PAGE_SHIFT):
        raise SyscallError(Errno.ENOMEM)
    return area


def _move_each(space: AddressSpace, request: _Request) -> int:
    """remap_move: every area of the range goes to the new place. Raises as mremap."""
    end, shift = request.old + request.old_length, request.new - request.old
    parts = space.areas.overlapping(request.old, end)
    if not parts or parts[0].start > request.old:
        raise SyscallError(Errno.EFAULT)
    for part in parts:
        start, stop = max(part.start, request.old), min(part.end, end)
        one = _Request(start, stop - start, stop - start, request.flags, start + shift)
        _move_to(space, _check_area(space, one), one)
    return request.new


def _resize(space: AddressSpace, area: Area, request: _Request) -> int:
    """mremap_at: without a new address."""
    if request.delta < 0:
        mapping.munmap(space, request.old + request.new_length, -request.delta)
    if request.delta <= 0:
        return request.old
    end = area.end + request.delta
    if (
        request.old_length == area.end - request.old
        and end <= space.layout.task_size
        and not space.areas.intersects(area.end, end)
    ):
        return _grow_in_place(space, area, request)
    if not request.flags & MREMAP_MAYMOVE:
        raise SyscallError(Errno.ENOMEM)
    return _move(space, area, request, _place(space, area, request))


def _grow_in_place(space: AddressSpace, area: Area, request: _Request) -> int:
    """expand_vma_in_place. Raises ENOMEM."""
    pages = request.delta >> PAGE_SHIFT
    if area.flags & VM_ACCOUNT:
        accounting.charge(space, pages)
    end = area.end + request.delta
    space.areas.extend(area, end)
    space.changed_areas(pages)
    if area.flags & VM_LOCKED:
        locking.populate(space, area.end, end)
    return request.old


def _move_to(space: AddressSpace, area: Area, request: _Request) -> int:
    """mremap_to: to a given address, or, with DONTUNMAP alone, near it."""
    if request.flags & MREMAP_FIXED:
        mapping.unmap(space, request.new, request.new + request.new_length)
        if space.areas.find(request.old) is None:  # that was the source itself
            raise SyscallError(Errno.EFAULT)
    if request.delta < 0:
        mapping.munmap(space, request.old + request.new_length, -request.delta)
        request.old_length = request.new_length
    found = space.areas.find(request.old)
    if found is None:
        raise SyscallError(Errno.EFAULT)
    pages = request.old_length >> PAGE_SHIFT
    if request.flags & MREMAP_DONTUNMAP and not accounting.may_expand(space, found.flags, pages):
        raise SyscallError(Errno.ENOMEM)
    return _move(space, found, request, _place(space, found, request))


def _place(space: AddressSpace, area: Area, request: _Request) -> int:
    """vrm_set_new_addr. Raises ENOMEM, EINVAL, EPERM."""
    hint = request.new if request.flags & _TO else 0
    flags = MAP_FIXED if request.flags & MREMAP_FIXED else 0
    flags |= MAP_SHARED if area.flags & VM_MAYSHARE else 0
    offset = area.page_offset(request.old) << PAGE_SHIFT
    return placing.place(space, hint, request.new_length, flags, area.backing, offset)


def _move(space: AddressSpace, area: Area, request: _Request, target: int) -> int:
    """move_vma: a copy of the area at ``target``, its pages moved there, the source unmapped. Raises ENOMEM."""
    if len(space.areas) >= space.max_map_count - 3:
        raise SyscallError(Errno.ENOMEM)
    keep = request.flags & MREMAP_DONTUNMAP
    pages, peak = request.new_length >> PAGE_SHIFT, space.peak_pages
    if area.flags & VM_ACCOUNT:
        charged = pages if keep else request.delta >> PAGE_SHIFT
        accounting.charge(space, charged)
        # The source's charge is carried over; unmapping it below gives it back.
        space.frames.commitment.committed += pages - charged
    untouched = area.backing is None and area.group is None
    offset = target >> PAGE_SHIFT if untouched else area.page_offset(request.old)
    space.areas.add(area._replace(start=target, end=target + request.new_length, offset=offset))
    space.changed_areas(pages)
    try:
        residence.move(space, request.old, target, request.old_length)
    except OutOfMemoryError as error:
        raise SyscallError(Errno.ENOMEM) from error
    if keep:
        _leave_behind(space, request)
    elif request.old_length:
        mapping.unmap(space, request.old, request.old + request.old_length)
    # The moment when both places were mapped does not count as the peak.
    space.peak_pages = max(peak, space.total_pages)
    if area.flags & VM_LOCKED and request.delta > 0:
        locking.populate(space, target + request.old_length, target + request.new_length)
    return target


def _leave_behind(space: AddressSpace, request: _Request) -> None:
    """MREMAP_DONTUNMAP: the source stays as untouched, unlocked memory (dontunmap_complete)."""
    area = space.areas.find(request.old)
    if area is None:
        return
    whole = (area.start, area.end) == (request.old, request.old + request.old_length)
    left = area._replace(flags=area.flags & ~(VM_LOCKED | VM_LOCKONFAULT))
    space.areas.replace(area, left._replace(group=None, chain=()) if whole else left)
