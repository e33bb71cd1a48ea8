"""Where a new mapping goes (mm/mmap.c and arch/x86/kernel/sys_x86_64.c): hints, top-down search, alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    HUGE_PAGE_SIZE,
    MAP_32BIT,
    MAP_ABOVE4G,
    MAP_FIXED,
    MAP_SHARED,
    PAGE_MASK,
    PAGE_SIZE,
    page_ceiling,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.areas import ADDRESS_END

if TYPE_CHECKING:
    from toolkit.kernel.mm.page_cache import Backing
    from toolkit.kernel.mm.space import AddressSpace

HINT_MINIMUM = 0x1_0000
"""Where searches and stacks end and to which lower hints are rounded up: the security modules' minimum
(CONFIG_LSM_MMAP_MIN_ADDR), higher than vm.mmap_min_addr, below which fixed mappings need privilege."""

_ERRORS = {int(error): error for error in Errno}
LOW_2G_BASE, LOW_2G_END = 0x4000_0000, 0x8000_0000


def place(
    space: AddressSpace,
    address: int,
    length: int,
    flags: int,
    backing: Backing | None = None,
    offset: int = 0,
) -> int:
    """The address a mapping of ``length`` bytes gets (__get_unmapped_area); ``offset`` into the file, in bytes.

    Raises ENOMEM, EINVAL (a fixed address that is not aligned), EPERM (below vm.mmap_min_addr).
    """
    if length > space.layout.task_size:
        raise SyscallError(Errno.ENOMEM)
    found = _choose(space, address, length, flags, backing, offset)
    if found is not None and found > ADDRESS_END - PAGE_SIZE:
        # The kernel takes a fixed address this high for an error number (IS_ERR_VALUE).
        raise SyscallError(_ERRORS.get(ADDRESS_END - found, Errno.ENOMEM))
    if found is None or found > space.layout.task_size - length:
        raise SyscallError(Errno.ENOMEM)
    if found & (PAGE_SIZE - 1):
        raise SyscallError(Errno.EINVAL)
    if found < space.layout.mmap_min_address and not space.limits.privileged:
        raise SyscallError(Errno.EPERM)
    return found


def _choose(
    space: AddressSpace, address: int, length: int, flags: int, backing: Backing | None, offset: int
) -> int | None:
    if backing is not None:
        aligned = getattr(backing, "huge_aligned", True)
    else:
        aligned = not flags & MAP_SHARED and not address and length % HUGE_PAGE_SIZE == 0
        offset = 0
    if aligned and space.layout.bits == 64:
        found = _huge_aligned(space, address, length, flags, offset)
        if found is not None:
            return found
    return _search(space, address, length, flags)


def _huge_aligned(space: AddressSpace, address: int, length: int, flags: int, offset: int) -> int | None:
    """A place where the file's 2 MiB blocks lie on 2 MiB boundaries (__thp_get_unmapped_area)."""
    first_block = -(-offset // HUGE_PAGE_SIZE) * HUGE_PAGE_SIZE
    if offset + length - first_block < HUGE_PAGE_SIZE:
        return None
    found = _search(space, address, length + HUGE_PAGE_SIZE, flags)
    if found is None or found == address:
        return found
    shift = (offset - found) % HUGE_PAGE_SIZE
    return found + (shift or HUGE_PAGE_SIZE)


def _search(space: AddressSpace, address: int, length: int, flags: int) -> int | None:
    """arch_get_unmapped_area_topdown."""
    limit = space.layout.task_size
    if length > limit:
        return None
    if flags & MAP_FIXED:
        return address
    if flags & MAP_32BIT and space.layout.bits == 64:
        return _search_up(space, address, length, LOW_2G_BASE, LOW_2G_END)
    if address:
        address &= PAGE_MASK
        if address <= limit - length and _is_free(space, address, length):
            return address
    low = 1 << 32 if flags & MAP_ABOVE4G else PAGE_SIZE
    end = space.areas.highest_gap(length, max(low, HINT_MINIMUM), space.mmap_base)
    if end is not None:
        return end - length
    return _search_up(space, address, length, page_ceiling(limit // 3), limit)


def _search_up(space: AddressSpace, address: int, length: int, low: int, high: int) -> int | None:
    """arch_get_unmapped_area: the lowest place."""
    if length > high:
        return None
    if address:
        address = page_ceiling(address)
        if high - length >= address and _is_free(space, address, length):
            return address
    return space.areas.lowest_gap(length, max(low, HINT_MINIMUM), high)


def _is_free(space: AddressSpace, address: int, length: int) -> bool:
    above = space.areas.first_ending_above(address)
    return above is None or address + length <= above.guarded_start
