"""mmap, munmap, brk, and the areas that exec makes (mm/mmap.c, mm/vma.c). Checks are in the kernel's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    LEGACY_MAP_MASK,
    MAP_DROPPABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_SYNC,
    MAP_TYPE,
    OVERCOMMIT_NEVER,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PROT_EXEC,
    PROT_WRITE,
    PTE_DIRTY,
    PTE_WRITABLE,
    VM_ACCESS,
    VM_ACCOUNT,
    VM_DATA,
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAY_ALL,
    VM_MAYEXEC,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_NORESERVE,
    VM_PKEY_EXECUTE_ONLY,
    VM_READ,
    VM_SEALED,
    VM_SHARED,
    VM_SPECIAL,
    VM_STACK,
    VM_SYNC,
    VM_WIPEONFORK,
    VM_WRITE,
    page_ceiling,
)
from toolkit.abi.process import RLIM_INFINITY, RLIMIT_DATA
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, locking, placing, residence
from toolkit.kernel.mm.areas import ADDRESS_END, Area
from toolkit.kernel.mm.frames import ANONYMOUS
from toolkit.kernel.mm.merging import AnonymousGroup
from toolkit.kernel.mm.shared import SharedMemory, special_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.kernel.mm.page_cache import Backing
    from toolkit.kernel.mm.space import AddressSpace

_HUGE_PAGE_LOGS = (0, 21, 30)
_MAX_FILE_SIZE = (1 << 63) - 1


def protection_flags(space: AddressSpace, prot: int) -> int:
    """VM_ bits for PROT_ bits (calc_vm_prot_bits); PROT_EXEC alone gets a protection key."""
    flags = prot & VM_ACCESS
    if flags == PROT_EXEC and space.frames.protection_keys:
        space.uses_keys = True
        flags |= VM_PKEY_EXECUTE_ONLY
    return flags


def mmap(
    space: AddressSpace,
    address: int,
    length: int,
    prot: int,
    flags: int,
    backing: Backing | None,
    offset: int,
) -> int:
    """See AddressSpace.mmap (ksys_mmap_pgoff, do_mmap)."""
    _refuse_huge_pages(flags, backing)
    address, length, flags = _rounded(address, length, flags, offset)
    if len(space.areas) > space.max_map_count:
        raise SyscallError(Errno.ENOMEM)
    vm_flags = protection_flags(space, prot) | space.future_flags | VM_MAY_ALL
    vm_flags |= _flag_bits(flags)
    address = placing.place(space, address, length, flags, backing, offset)
    if flags & MAP_FIXED_NOREPLACE and space.areas.intersects(address, address + length):
        raise SyscallError(Errno.EEXIST)
    if flags & MAP_LOCKED and not accounting.may_lock(space):
        raise SyscallError(Errno.EPERM)
    if not accounting.may_lock_more(space, vm_flags, length >> PAGE_SHIFT):
        raise SyscallError(Errno.EAGAIN)
    page = offset >> PAGE_SHIFT
    if backing is not None:
        vm_flags = _file_flags(backing, vm_flags, flags, prot, page, length)
        if vm_flags & VM_SHARED and getattr(backing, "zero_device", False):
            backing = None
    else:
        vm_flags = _anonymous_flags(vm_flags, flags)
        page = 0 if vm_flags & VM_SHARED else address >> PAGE_SHIFT
    if flags & MAP_NORESERVE and space.frames.commitment.mode != OVERCOMMIT_NEVER:
        vm_flags |= VM_NORESERVE
    _map_region(space, Area(address, address + length, vm_flags, page, backing))
    if vm_flags & VM_LOCKED or flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
        locking.populate(space, address, address + length)
    return address


def _rounded(address: int, length: int, flags: int, offset: int) -> tuple[int, int, int]:
    """The first checks of do_mmap: a hint on a page above the minimum, a length in whole pages, FIXED implied.

    Raises EINVAL, ENOMEM, EOVERFLOW.
    """
    if not length:
        raise SyscallError(Errno.EINVAL)
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    if not flags & MAP_FIXED:
        address &= PAGE_MASK
        if address and address < placing.HINT_MINIMUM:
            address = placing.HINT_MINIMUM
    length = page_ceiling(length)
    if length >= ADDRESS_END:
        raise SyscallError(Errno.ENOMEM)
    if (offset >> PAGE_SHIFT) + (length >> PAGE_SHIFT) >= ADDRESS_END:
        raise SyscallError(Errno.EOVERFLOW)
    return address, length, flags


def munmap(space: AddressSpace, address: int, length: int) -> None:
    """See AddressSpace.munmap (do_vmi_munmap)."""
    limit = space.layout.task_size
    if address & (PAGE_SIZE - 1) or address > limit or length > limit - address or not length:
        raise SyscallError(Errno.EINVAL)
    unmap(space, address, address + page_ceiling(length))


def check_unmap(space: AddressSpace, start: int, end: int) -> None:
    """Whether the areas of [start, end) may go and be split (vms_gather_munmap_vmas). Raises ENOMEM, EPERM, EINVAL."""
    first = space.areas.find(start)
    last = space.areas.find(end - 1)
    inside = first is not None and first is last and first.start < start and end < first.end
    if inside and len(space.areas) >= space.max_map_count:
        raise SyscallError(Errno.ENOMEM)
    for area in space.areas.overlapping(start, end):
        if area.flags & VM_SEALED:
            raise SyscallError(Errno.EPERM)
        if area.flags & VM_SPECIAL and (area.start < start or end < area.end):
            raise SyscallError(Errno.EINVAL)


def unmap(space: AddressSpace, start: int, end: int) -> None:
    """Remove every area, or part of one, in [start, end), with its pages and the tables only it needed."""
    check_unmap(space, start, end)
    areas = space.areas
    taken = areas.carve(start, end)
    if not taken:
        return
    pages = 0
    for area in taken:
        residence.unmap(space, area)
        accounting.uncharge(space, area.flags, area.pages)
        pages += area.pages
    space.changed_areas(-pages)
    below = areas.last_starting_below(start)
    above = areas.first_ending_above(end)
    space.table.prune(
        below.end if below is not None else 0, start, end, above.start if above is not None else ADDRESS_END
    )
    _tell_closed(space, taken)


def brk(space: AddressSpace, address: int) -> int:
    """See AddressSpace.brk (mm/mmap.c, SYSCALL_DEFINE1(brk))."""
    places = space.places
    if address < places.start_brk or not _within_data_limit(space, address):
        return places.brk
    new, old = page_ceiling(address), page_ceiling(places.brk)
    if new < old:
        area = space.areas.first_ending_above(new)
        if area is None or area.start >= old:
            return places.brk
    try:
        if new < old:
            unmap(space, new, old)
        elif new > old:
            _extend_heap(space, old, new)
    except SyscallError:
        return places.brk
    places.brk = address
    return address


def map_special(space: AddressSpace, start: int, vm_flags: int, name: str, frames: Sequence[int]) -> None:
    """See AddressSpace.map_special (_install_special_mapping)."""
    end = start + (len(frames) << PAGE_SHIFT)
    space.areas.insert(Area(start, end, vm_flags, 0, special_pages(space.frames, name, frames), name))
    space.changed_areas(len(frames))


def map_content(space: AddressSpace, start: int, content: bytes, *, writable: bool) -> None:
    """See AddressSpace.map_content."""
    end = start + len(content)
    if len(content) % PAGE_SIZE or space.areas.intersects(start - PAGE_SIZE, end + PAGE_SIZE):
        raise ValueError(f"{len(content)} bytes at {start:#x} are no whole pages apart from all areas")
    pages = len(content) >> PAGE_SHIFT
    accounting.charge(space, pages)
    flags = VM_READ | VM_MAY_ALL | VM_ACCOUNT | space.future_flags | (VM_WRITE if writable else 0)
    group = AnonymousGroup()
    space.areas.insert(Area(start, end, flags, start >> PAGE_SHIFT, group=group, chain=(group,)))
    space.changed_areas(pages)
    bits = residence.protection(flags) | PTE_DIRTY | (PTE_WRITABLE if writable else 0)
    for offset in range(0, len(content), PAGE_SIZE):
        slot = space.table.slot(start + offset)
        frame = space.frames.allocate(ANONYMOUS, clear=False)
        space.frames.write(frame, content[offset : offset + PAGE_SIZE])
        residence.attach(space, slot, bits, frame, flags)
        space.faults.minor += 1


def map_stack(space: AddressSpace, end: int, size: int, *, executable: bool) -> None:
    """See AddressSpace.map_stack (setup_arg_pages)."""
    pages = page_ceiling(size) >> PAGE_SHIFT
    accounting.charge(space, pages)
    start = end - (pages << PAGE_SHIFT)
    flags = VM_STACK | space.future_flags | (VM_EXEC if executable else 0)
    space.areas.insert(Area(start, end, flags, start >> PAGE_SHIFT))
    space.changed_areas(pages)


def release(space: AddressSpace) -> None:
    """See AddressSpace.release."""
    if space not in space.frames.spaces:
        return
    areas = list(space.areas)
    for area in areas:
        residence.unmap(space, area)
        accounting.uncharge(space, area.flags, area.pages)
        space.areas.remove(area)
    space.changed_areas(-space.total_pages)
    space.table.release()
    del space.frames.spaces[space]
    _tell_closed(space, areas)


def _tell_closed(space: AddressSpace, gone: list[Area]) -> None:
    """Tell backings that want to know that these areas are gone (vm_operations_struct.close)."""
    for area in gone:
        if area.backing is not None:
            closed = getattr(area.backing, "area_closed", None)
            if closed is not None:
                closed(space)


def _refuse_huge_pages(flags: int, backing: Backing | None) -> None:
    """The machine has no huge pages: as Linux with an empty pool."""
    if not flags & MAP_HUGETLB:
        return
    size = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    raise SyscallError(Errno.ENOMEM if backing is None and size in _HUGE_PAGE_LOGS else Errno.EINVAL)


def _flag_bits(flags: int) -> int:
    """VM_ bits for MAP_ bits (calc_vm_flag_bits)."""
    bits = VM_GROWSDOWN if flags & MAP_GROWSDOWN else 0
    if flags & MAP_LOCKED:
        bits |= VM_LOCKED
    if flags & MAP_SYNC:
        bits |= VM_SYNC
    if flags & MAP_STACK:
        bits |= VM_NOHUGEPAGE
    return bits


def _file_flags(backing: Backing, vm_flags: int, flags: int, prot: int, page: int, length: int) -> int:
    """The part of do_mmap for files. Raises EACCES, EINVAL, ENODEV, EOPNOTSUPP, EOVERFLOW, EPERM."""
    if page << PAGE_SHIFT > _MAX_FILE_SIZE or (page << PAGE_SHIFT) + length > _MAX_FILE_SIZE + 1:
        raise SyscallError(Errno.EOVERFLOW)
    kind = flags & MAP_TYPE
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        if kind == MAP_SHARED_VALIDATE and flags & ~LEGACY_MAP_MASK & ~MAP_TYPE:
            raise SyscallError(Errno.ENOTSUP)
        if prot & PROT_WRITE and not backing.writable:
            raise SyscallError(Errno.EACCES)
        if backing.writable and getattr(backing, "append_only", False):
            raise SyscallError(Errno.EACCES)
        vm_flags |= VM_SHARED | VM_MAYSHARE
        if not backing.writable:
            vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
    elif kind != MAP_PRIVATE:
        raise SyscallError(Errno.EINVAL)
    if not backing.readable:
        raise SyscallError(Errno.EACCES)
    if not backing.executable:
        if vm_flags & VM_EXEC:
            raise SyscallError(Errno.EPERM)
        vm_flags &= ~VM_MAYEXEC
    if not backing.mappable:
        raise SyscallError(Errno.ENODEV)
    if vm_flags & VM_GROWSDOWN:
        raise SyscallError(Errno.EINVAL)
    if vm_flags & VM_SHARED and getattr(backing, "write_sealed", False):
        raise SyscallError(Errno.EPERM)
    return vm_flags


def _anonymous_flags(vm_flags: int, flags: int) -> int:
    """The part of do_mmap for anonymous memory. Raises EINVAL."""
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED:
        if vm_flags & VM_GROWSDOWN:
            raise SyscallError(Errno.EINVAL)
        return vm_flags | VM_SHARED | VM_MAYSHARE
    if kind == MAP_DROPPABLE:
        if vm_flags & (VM_LOCKED | VM_GROWSDOWN):
            raise SyscallError(Errno.EINVAL)
        return vm_flags | VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP
    if kind != MAP_PRIVATE:
        raise SyscallError(Errno.EINVAL)
    return vm_flags


def _map_region(space: AddressSpace, area: Area) -> None:
    """Put a new area in the place of what was there (__mmap_region). Raises ENOMEM, EINVAL, EPERM."""
    replaced = space.areas.overlapping(area.start, area.end)
    if replaced:
        check_unmap(space, area.start, area.end)
        # As in Linux the areas stay split where a later check fails.
        space.areas.split(area.start)
        space.areas.split(area.end)
    covered = [old.part(max(old.start, area.start), min(old.end, area.end)) for old in replaced]
    freed = sum(old.pages for old in covered)
    if not accounting.may_expand(space, area.flags, area.pages - freed):
        raise SyscallError(Errno.ENOMEM)
    if accounting.is_charged(area.flags):
        charged = area.pages - sum(old.pages for old in covered if old.flags & VM_ACCOUNT)
        accounting.charge(space, charged)
        # What the replaced areas had been charged is carried over; unmap below gives it back.
        space.frames.commitment.committed += area.pages - charged
        area = area._replace(flags=area.flags | VM_ACCOUNT)
    if replaced:
        unmap(space, area.start, area.end)
    if area.flags & VM_SHARED and area.backing is None:
        area = area._replace(backing=_shared_memory(space, area))
    space.areas.add(area)
    space.changed_areas(area.pages)


def _shared_memory(space: AddressSpace, area: Area) -> SharedMemory:
    """The file behind shared anonymous memory, charged as a whole (shmem_zero_setup). Raises ENOMEM."""
    pages = 0 if area.flags & VM_NORESERVE else area.pages
    accounting.charge(space, pages)
    return SharedMemory(space.frames, area.end - area.start, charged=pages)


def _within_data_limit(space: AddressSpace, address: int) -> bool:
    """check_data_rlimit: heap and initialised data together."""
    limit, places = space.limits.soft(RLIMIT_DATA), space.places
    used = address - places.start_brk + places.end_data - places.start_data
    return limit == RLIM_INFINITY or used <= limit


def _extend_heap(space: AddressSpace, start: int, end: int) -> None:
    """do_brk_flags. Raises ENOMEM, EAGAIN, EINVAL."""
    placing.place(space, start, end - start, MAP_FIXED)
    flags = VM_DATA | VM_ACCOUNT | space.future_flags | (VM_EXEC if space.read_implies_exec else 0)
    pages = (end - start) >> PAGE_SHIFT
    if not accounting.may_lock_more(space, flags, pages):
        raise SyscallError(Errno.EAGAIN)
    above = space.areas.first_ending_above(start)
    if above is not None and end + PAGE_SIZE > above.guarded_start:
        raise SyscallError(Errno.ENOMEM)
    if not accounting.may_expand(space, flags, pages) or len(space.areas) > space.max_map_count:
        raise SyscallError(Errno.ENOMEM)
    accounting.charge(space, pages)
    below = space.areas.last_starting_below(start)
    if below is not None and below.end > space.places.start_brk:
        space.areas.add(Area(start, end, flags, start >> PAGE_SHIFT))
    else:
        # The first piece of heap is not joined with the bss that it may follow.
        space.areas.insert(Area(start, end, flags, start >> PAGE_SHIFT))
    space.changed_areas(pages)
    if flags & VM_LOCKED:
        locking.populate(space, start, end)
