"""Reading and writing a process's memory from the kernel (copy_from_user, copy_to_user, strncpy_from_user).

Each page is taken through its page-table entry, with the rights the program itself has; what is not present is
faulted in first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PF_PRESENT,
    PF_WRITE,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_PRESENT,
    PTE_WRITABLE,
    VM_ACCESS,
    VM_MAYWRITE,
    VM_PKEY_EXECUTE_ONLY,
    VM_SHARED,
    VM_WRITE,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import faults
from toolkit.kernel.mm.frames import ZERO_PAGE, OutOfMemoryError
from toolkit.kernel.mm.residence import GUARD, RESIDENT, swap_slot

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace

_OFFSET = PAGE_SIZE - 1
_CAN_WRITE = PTE_PRESENT | PTE_WRITABLE


def physical(space: AddressSpace, address: int, write: bool) -> int | None:
    """The physical address behind a user address that may be accessed so, None where that faults."""
    if address >= space.layout.task_size:
        return None
    table = space.table
    leaf = table.leaves.get(address >> 21)
    wanted = _CAN_WRITE if write else PTE_PRESENT
    if leaf is not None:
        slot = leaf + (address >> 12 & 511)
        entry = table.words[slot]
        if entry & wanted == wanted and not _key_refuses(space, address):
            table.words[slot] = entry | (PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED)
            return int(entry & PTE_FRAME_MASK) | address & _OFFSET
        error = PF_WRITE if write else 0
        if isinstance(faults.fault(space, address, error | (entry & PF_PRESENT)), faults.Refused):
            return None
    elif isinstance(faults.fault(space, address, PF_WRITE if write else 0), faults.Refused):
        return None
    entry = table.entry(address)
    if entry & wanted != wanted:
        return None
    return int(entry & PTE_FRAME_MASK) | address & _OFFSET


def read(space: AddressSpace, address: int, count: int) -> bytes:
    """``count`` bytes. Raises EFAULT."""
    if (address & _OFFSET) + count <= PAGE_SIZE and count:
        place = physical(space, address, False)
        if place is None:
            raise SyscallError(Errno.EFAULT)
        return space.frames.bytes[place : place + count].tobytes()
    data = read_available(space, address, count)
    if len(data) < count:
        raise SyscallError(Errno.EFAULT)
    return data


def read_available(space: AddressSpace, address: int, count: int) -> bytes:
    """The bytes before the first bad page, at most ``count``."""
    parts: list[bytes] = []
    memory = space.frames.bytes
    while count > 0:
        place = physical(space, address, False)
        if place is None:
            break
        piece = min(count, PAGE_SIZE - (address & _OFFSET))
        parts.append(memory[place : place + piece].tobytes())
        address += piece
        count -= piece
    space.frames.page_work += len(parts)
    return b"".join(parts)


def write(space: AddressSpace, address: int, data: bytes) -> None:
    """Store all of ``data``. Raises EFAULT."""
    if write_available(space, address, data) < len(data):
        raise SyscallError(Errno.EFAULT)


def write_available(space: AddressSpace, address: int, data: bytes) -> int:
    """Store what lies before the first bad page; the number of bytes stored."""
    memory, frames = space.frames.bytes, space.frames
    done, total = 0, len(data)
    frames.page_work += total >> PAGE_SHIFT
    while done < total:
        place = physical(space, address, True)
        if place is None:
            break
        piece = min(total - done, PAGE_SIZE - (address & _OFFSET))
        memory[place : place + piece] = data[done : done + piece]
        if frames.code[(place >> 12) - frames.first]:
            space.machine.frame_changed(place >> 12)
        address += piece
        done += piece
    return done


def overwrite(space: AddressSpace, address: int, data: bytes) -> bool:
    """See AddressSpace.overwrite."""
    frames, table = space.frames, space.table
    pieces: list[tuple[int, int, int]] = []
    done, total = 0, len(data)
    while done < total:
        place = address + done
        slot = table.leaves.get(place >> 21, 0) + (place >> 12 & 511)
        entry = table.words[slot] if place >> 21 in table.leaves else 0
        frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
        if entry & _CAN_WRITE != _CAN_WRITE or frames.code[frame - frames.first]:
            return False
        size = min(total - done, PAGE_SIZE - (place & _OFFSET))
        pieces.append((slot, (frame << PAGE_SHIFT) | place & _OFFSET, size))
        done += size
    for slot, place, size in pieces:
        table.words[slot] |= PTE_ACCESSED | PTE_DIRTY
        space.frames.bytes[place : place + size], data = data[:size], data[size:]
    return True


def read_string(space: AddressSpace, address: int, limit: int) -> bytes:
    """The bytes before the first NUL, at most ``limit``. Raises EFAULT."""
    parts: list[bytes] = []
    memory = space.frames.bytes
    while limit > 0:
        place = physical(space, address, False)
        if place is None:
            raise SyscallError(Errno.EFAULT)
        piece = min(limit, PAGE_SIZE - (address & _OFFSET))
        data = memory[place : place + piece].tobytes()
        end = data.find(b"\0")
        if end >= 0:
            parts.append(data[:end])
            break
        parts.append(data)
        address += piece
        limit -= piece
    return b"".join(parts)


def poke(space: AddressSpace, address: int, data: bytes) -> None:
    """Store ``data`` whatever the rights are; private pages become copies (FOLL_FORCE). Raises EFAULT."""
    while data:
        area = space.areas.find(address)
        if (
            area is None
            or not area.flags & VM_MAYWRITE
            or (area.flags & VM_SHARED and not area.flags & VM_WRITE)
        ):
            raise SyscallError(Errno.EFAULT)
        piece = min(len(data), PAGE_SIZE - (address & _OFFSET))
        _force_writable(space, address)
        entry = space.table.entry(address)
        frame = (entry & PTE_FRAME_MASK) >> 12
        space.frames.write(frame, data[:piece], address & _OFFSET)
        address += piece
        data = data[piece:]


def peek(space: AddressSpace, address: int, count: int) -> bytes | None:
    """What the program would read, None where it would fault. Nothing is touched: no fault is counted, no page comes in, no stack grows."""
    parts: list[bytes] = []
    while count > 0:
        page = _peek_page(space, address)
        if page is None:
            return None
        start = address & _OFFSET
        parts.append(page[start : start + count])
        address, count = address + len(parts[-1]), count - len(parts[-1])
    return b"".join(parts)


def _peek_page(space: AddressSpace, address: int) -> bytes | None:
    area = space.areas.find(address)
    if area is None or not area.flags & VM_ACCESS or _key_refuses(space, address):
        return None
    frames, entry = space.frames, space.table.entry(address)
    if entry & RESIDENT:
        return frames.read((entry & PTE_FRAME_MASK) >> PAGE_SHIFT)
    if entry == GUARD:
        return None
    if entry:
        return frames.swap.content(swap_slot(entry))
    if area.backing is None:
        return ZERO_PAGE
    page: bytes | None = area.backing.pages.peek(area.page_offset(address))
    return page


def _force_writable(space: AddressSpace, address: int) -> None:
    """Make the page present and private to the process; its entry keeps the area's rights."""
    area = space.areas.find(address)
    assert area is not None
    try:
        result = faults.resolve(space, area, address, True)
    except OutOfMemoryError as error:
        raise SyscallError(Errno.ENOMEM) from error
    if isinstance(result, faults.Refused):
        raise SyscallError(Errno.EFAULT)
    if not area.flags & VM_WRITE:
        slot = space.table.slot(address)
        space.table.words[slot] &= ~PTE_WRITABLE
        space.machine.flush_tlb()


def _key_refuses(space: AddressSpace, address: int) -> bool:
    """Whether the page belongs to an execute-only area, which the CPU model here can't keep from being read."""
    if not space.uses_keys:
        return False
    area = space.areas.find(address)
    return area is not None and bool(area.flags & VM_PKEY_EXECUTE_ONLY)
