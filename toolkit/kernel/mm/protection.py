"""mprotect and mseal (mm/mprotect.c, mm/mseal.c): area by area, and what was changed before a failure stays changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_SIZE,
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
    VM_ACCESS,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_NORESERVE,
    VM_PKEY_EXECUTE_ONLY,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
    page_ceiling,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, locking, residence
from toolkit.kernel.mm.areas import ADDRESS_END, Area
from toolkit.kernel.mm.mapping import protection_flags
from toolkit.kernel.mm.modifying import modify

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace

_GROWS = PROT_GROWSDOWN | PROT_GROWSUP


def mprotect(space: AddressSpace, address: int, length: int, prot: int) -> None:
    """See AddressSpace.mprotect (do_mprotect_pkey)."""
    grows, prot = prot & _GROWS, prot & ~_GROWS
    if grows == _GROWS or address & (PAGE_SIZE - 1):
        raise SyscallError(Errno.EINVAL)
    if not length:
        return
    end = (address + page_ceiling(length)) % ADDRESS_END
    if end <= address or page_ceiling(length) >= ADDRESS_END:
        raise SyscallError(Errno.ENOMEM)
    if prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM):
        raise SyscallError(Errno.EINVAL)
    start = _first_address(space, address, end, grows)
    if grows & PROT_GROWSUP:
        raise SyscallError(Errno.EINVAL)
    wanted = protection_flags(space, prot)
    while start < end:
        area = space.areas.find(start)
        if area is None:
            raise SyscallError(Errno.ENOMEM)
        flags = area.flags & ~(VM_ACCESS | VM_PKEY_EXECUTE_ONLY) | wanted
        if flags & ~(flags >> 4) & VM_ACCESS:
            raise SyscallError(Errno.EACCES)
        stop = min(area.end, end)
        if flags != area.flags or area.flags & VM_SEALED:
            _protect(space, area, start, stop, flags)
        start = stop


def mseal(space: AddressSpace, address: int, length: int, flags: int) -> None:
    """See AddressSpace.mseal (do_mseal)."""
    rounded = page_ceiling(length) % ADDRESS_END
    if flags or address & (PAGE_SIZE - 1) or (length and not rounded) or address + rounded >= ADDRESS_END:
        raise SyscallError(Errno.EINVAL)
    end = address + rounded
    parts = space.areas.overlapping(address, end)
    if sum(min(area.end, end) - max(area.start, address) for area in parts) < rounded:
        raise SyscallError(Errno.ENOMEM)
    while address < end:
        area = space.areas.find(address)
        assert area is not None
        stop = min(area.end, end)
        if not area.flags & VM_SEALED:
            modify(space, area, address, stop, flags=area.flags | VM_SEALED)
        address = stop


def _first_address(space: AddressSpace, address: int, end: int, grows: int) -> int:
    """Where the change begins: with PROT_GROWSDOWN at the start of the area. Raises EINVAL, ENOMEM."""
    area = space.areas.first_ending_above(address)
    if area is None or area.start >= end or (area.start > address and not grows & PROT_GROWSDOWN):
        raise SyscallError(Errno.ENOMEM)
    if not grows & PROT_GROWSDOWN:
        return address
    if not area.flags & VM_GROWSDOWN:
        raise SyscallError(Errno.EINVAL)
    return area.start


def _protect(space: AddressSpace, area: Area, start: int, end: int, flags: int) -> None:
    """mprotect_fixup. Raises ENOMEM, EPERM."""
    old, pages = area.flags, (end - start) >> 12
    if old & VM_SEALED:
        raise SyscallError(Errno.EPERM)
    charged = 0
    if flags & VM_WRITE:
        if not accounting.may_expand(space, flags, pages) and accounting.may_expand(space, old, pages):
            raise SyscallError(Errno.ENOMEM)
        if not old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE):
            accounting.charge(space, pages)
            charged = pages
            flags |= VM_ACCOUNT
    elif old & VM_ACCOUNT and area.backing is None and area.group is None:
        flags &= ~VM_ACCOUNT
    try:
        changed = modify(space, area, start, end, flags=flags)
    except SyscallError:
        space.frames.commitment.release(charged)
        raise
    residence.protect(space, changed, start, end)
    if old & VM_ACCOUNT and not flags & VM_ACCOUNT:
        space.frames.commitment.release(pages)
    if old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED and flags & VM_WRITE:
        locking.populate_area(space, changed, start, end)
