"""The page-fault handler: growing the stack, zero pages, copy-on-write, file pages, swap-in (mm/memory.c).

Order of checks and si_codes are those of arch/x86/mm/fault.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.abi.memory import (
    PAGE_MASK,
    PAGE_SHIFT,
    PF_INSTRUCTION,
    PF_KEY,
    PF_PRESENT,
    PF_WRITE,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_WRITABLE,
    VM_ACCESS,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_PKEY_EXECUTE_ONLY,
    VM_RAND_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_STICKY,
    VM_WRITE,
)
from toolkit.abi.process import RLIMIT_STACK
from toolkit.abi.signals import BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SEGV_PKUERR, Signal
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, placing
from toolkit.kernel.mm.areas import STACK_GUARD_GAP, Area
from toolkit.kernel.mm.frames import ANONYMOUS, SHMEM, OutOfMemoryError
from toolkit.kernel.mm.merging import AnonymousGroup
from toolkit.kernel.mm.page_cache import READ_AROUND
from toolkit.kernel.mm.page_table import LEAF_SHIFT
from toolkit.kernel.mm.residence import GUARD, RESIDENT, attach, detach, may_write, protection, swap_slot
from toolkit.kernel.mm.shared import SpecialPages

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace

FAULT_AROUND = 16
"""Pages mapped at once by a read fault on a file (fault_around_bytes / 4096)."""


class Resolved(NamedTuple):
    """The access can be tried again. ``major``: a device had to be read."""

    major: bool


class Refused(NamedTuple):
    """The signal that the faulting task gets, with its si_code (0 for SIGKILL: out of memory)."""

    signal: Signal
    code: int


MINOR, MAJOR = Resolved(False), Resolved(True)
_UNMAPPED = Refused(Signal.SIGSEGV, SEGV_MAPERR)
_FORBIDDEN = Refused(Signal.SIGSEGV, SEGV_ACCERR)
_KEY = Refused(Signal.SIGSEGV, SEGV_PKUERR)
_BEYOND = Refused(Signal.SIGBUS, BUS_ADRERR)
_KILLED = Refused(Signal.SIGKILL, 0)


def fault(space: AddressSpace, address: int, error: int) -> Resolved | Refused:
    """Handle one page fault (do_user_addr_fault) and count it."""
    area = space.areas.find(address)
    if area is None:
        area = grow_down(space, address)
        if area is None:
            return _UNMAPPED
    if error & PF_KEY:
        return _KEY
    if error & PF_WRITE:
        if not area.flags & VM_WRITE:
            return _FORBIDDEN
    elif error & PF_PRESENT or not area.flags & VM_ACCESS:
        return _FORBIDDEN
    elif area.flags & VM_PKEY_EXECUTE_ONLY and not error & PF_INSTRUCTION:
        return _KEY
    try:
        result = resolve(space, area, address, bool(error & PF_WRITE))
    except OutOfMemoryError:
        return _KILLED
    if isinstance(result, Resolved):
        count(space, result)
    return result


def count(space: AddressSpace, result: Resolved) -> None:
    """Count a fault that succeeded (mm_account_fault), whether the program made it or the kernel for it."""
    if result.major:
        space.faults.major += 1
    else:
        space.faults.minor += 1


def resolve(space: AddressSpace, area: Area, address: int, write: bool) -> Resolved | Refused:
    """Make the page at ``address`` present for the access, which the area allows (handle_mm_fault).

    Raises OutOfMemoryError.
    """
    table = space.table
    had_table = address >> LEAF_SHIFT in table.leaves
    slot = table.slot(address)
    entry = table.words[slot]
    if not entry:
        if area.backing is None or getattr(area.backing, "zero_device", False):
            return _anonymous(space, area, slot, write)
        return _file(space, area, address, slot, write, had_table)
    if entry == GUARD:
        return _UNMAPPED
    if not entry & RESIDENT:
        return _swap_in(space, area, address, slot, entry, write)
    if write and not entry & PTE_WRITABLE:
        return _write_protected(space, area, address, slot, entry)
    table.words[slot] = entry | (PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED)
    return MINOR


def grow_down(space: AddressSpace, address: int) -> Area | None:
    """Extend the area above ``address`` down to it if it grows and may (expand_downwards)."""
    area = space.areas.first_ending_above(address)
    start = address & PAGE_MASK
    if area is None or not area.flags & VM_GROWSDOWN or start < placing.HINT_MINIMUM:
        return None
    below = space.areas.last_starting_below(area.start)
    if (
        below is not None
        and not below.flags & VM_GROWSDOWN
        and below.flags & VM_ACCESS
        and start - below.end < STACK_GUARD_GAP
    ):
        return None
    pages = (area.start - start) >> PAGE_SHIFT
    if pages > area.offset or area.end - start > space.limits.soft(RLIMIT_STACK):
        return None
    try:
        accounting.check_growth(space, area.flags, pages)
    except SyscallError:
        return None
    area = prepare_group(space, area)
    grown = area._replace(start=start, offset=area.offset - pages)
    space.areas.replace(area, grown)
    space.changed_areas(pages)
    return grown


def prepare_group(space: AddressSpace, area: Area) -> Area:
    """Give the area an anonymous group, a neighbour's if they could merge later (find_mergeable_anon_vma)."""
    if area.group is not None:
        return area
    group = None
    above = space.areas.find(area.end)
    if above is not None and len(above.chain) == 1 and _could_merge(area, above):
        group = above.group
    if group is None:
        below = space.areas.find(area.start - 1)
        if below is not None and len(below.chain) == 1 and _could_merge(below, area):
            group = below.group
    if group is None:
        group = AnonymousGroup()
    grouped = area._replace(group=group, chain=(group,))
    space.areas.replace(area, grouped)
    return grouped


def _could_merge(left: Area, right: Area) -> bool:
    """Whether two neighbours are alike but for their rights (anon_vma_compatible)."""
    return (
        left.backing is right.backing
        and not (left.flags ^ right.flags) & ~(VM_ACCESS | VM_STICKY)
        and left.offset + left.pages == right.offset
    )


def _anonymous(space: AddressSpace, area: Area, slot: int, write: bool) -> Resolved:
    """A first touch of private anonymous memory: the shared zero page for a read, a page of its own for a write."""
    frames, flags = space.frames, area.flags
    if not write:
        attach(space, slot, protection(flags), frames.zero, 0)
        return MINOR
    if area.group is None:
        prepare_group(space, area)
    frame = frames.allocate(ANONYMOUS)
    index = frame - frames.first
    frames.mappings[index] = 1
    space.resident[ANONYMOUS] += 1
    if flags & VM_EXEC:
        frames.show_executable(index)
    space.table.words[slot] = frame << PAGE_SHIFT | protection(flags) | PTE_WRITABLE | PTE_DIRTY
    return MINOR


def _file(
    space: AddressSpace, area: Area, address: int, slot: int, write: bool, had_table: bool
) -> Resolved | Refused:
    """A first touch of a page of a file, or of the kernel's own pages.

    As in Linux a fault beyond the end has side effects too: a write gives the area its group, and a read maps
    the pages around; the kernel's own pages come one by one.
    """
    cache = area.backing.pages
    index = area.page_offset(address)
    beyond = index >= cache.page_count
    alone = isinstance(area.backing, SpecialPages)
    if not write and not alone:
        _fault_around(space, area, address, had_table)
        if space.table.words[slot]:
            return MINOR
    if write and not area.flags & VM_SHARED:
        prepare_group(space, area)
    if beyond:
        if not had_table:
            space.table.drop_leaf(address)
        return _BEYOND
    source, major = cache.frame(index, _read_window(area, index))
    if major and not write:
        # The neighbours that were read with it are mapped too, as when Linux tries the fault again.
        _fault_around(space, area, address, had_table)
        if space.table.words[slot]:
            return MAJOR
        source, _ = cache.frame(index)  # reclaim may have taken it away for a neighbour
    bits = protection(area.flags)
    if write and not area.flags & VM_SHARED:
        content = space.frames.read(source)
        frame = space.frames.allocate(ANONYMOUS, clear=False)
        space.frames.write(frame, content)
        attach(space, slot, bits | PTE_WRITABLE | PTE_DIRTY, frame, area.flags)
    else:
        if write:
            bits |= PTE_WRITABLE | PTE_DIRTY
            cache.dirty.add(index)
        elif cache.kind == SHMEM and area.flags & VM_SHARED and area.flags & VM_WRITE:
            bits |= PTE_WRITABLE
        attach(space, slot, bits, source, area.flags)
    return MAJOR if major else MINOR


def _read_window(area: Area, index: int) -> range | None:
    """What is read with a page that is not in the cache, None for the usual (do_sync_mmap_readahead)."""
    if area.flags & VM_RAND_READ:
        return range(index, index + 1)
    if area.flags & VM_SEQ_READ:
        return range(index, index + READ_AROUND)
    if area.flags & VM_EXEC:
        return range(index, min(index + READ_AROUND, area.offset + area.pages))
    return None


def _fault_around(space: AddressSpace, area: Area, address: int, had_table: bool) -> None:
    """Map the pages around that are in the cache and not mapped yet (do_fault_around, filemap_map_pages).

    Linux puts a new page table in place only while it looks whether a huge page would do, which it does not for a file's
    last page: without a table, and with that page the first in the cache, nothing is mapped.
    """
    cache, table = area.backing.pages, space.table
    place = address >> PAGE_SHIFT & 511
    inside = (address - area.start) >> PAGE_SHIFT
    first = max(place & -FAULT_AROUND, place - min(place, inside))
    last = min(first + FAULT_AROUND, 512, place + area.pages - inside)
    leaf = table.slot(address) - place
    bits = protection(area.flags)
    if cache.kind == SHMEM and area.flags & VM_SHARED and area.flags & VM_WRITE:
        bits |= PTE_WRITABLE
    offset = area.page_offset(address) - place
    last = min(last, cache.page_count - offset)
    for position in range(first, last):
        frame = cache.ready(offset + position)
        if frame is None:
            continue
        if not had_table and cache.kind != SHMEM and offset + position == cache.page_count - 1:
            return
        had_table = True
        if not table.words[leaf + position]:
            attach(space, leaf + position, bits, frame, area.flags)


def _write_protected(
    space: AddressSpace, area: Area, address: int, slot: int, entry: int
) -> Resolved | Refused:
    """A write to a page that is present and not writable: use it if it is ours alone, else copy it (do_wp_page)."""
    frames, words = space.frames, space.table.words
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    index = frame - frames.first
    kind = frames.kind[index]
    touched = PTE_WRITABLE | PTE_DIRTY | PTE_ACCESSED
    if area.flags & VM_SHARED:
        area.backing.pages.dirty.add(area.page_offset(address))
        words[slot] = entry | touched
        return MINOR
    if kind == ANONYMOUS and frames.mappings[index] == 1 and frame not in frames.swap.slot_of:
        words[slot] = entry | touched
        return MINOR
    prepare_group(space, area)
    content = None if frame == frames.zero else frames.read(frame)
    new = frames.allocate(ANONYMOUS, clear=content is None)
    if content is not None:
        frames.write(new, content)
    if words[slot] != entry:
        # Reclaim took the old page away while a new one was looked for.
        frames.free(new)
        return resolve(space, area, address, True)
    attach(space, slot, protection(area.flags) | PTE_WRITABLE | PTE_DIRTY, new, area.flags)
    detach(space, entry)
    space.machine.flush_tlb()
    return MINOR


def _swap_in(space: AddressSpace, area: Area, address: int, slot: int, entry: int, write: bool) -> Resolved:
    """Bring a page back from swap: a major fault unless another process's copy is still in memory."""
    frames, swap = space.frames, space.frames.swap
    number = swap_slot(entry)
    content = swap.content(number)
    frame = swap.frame_of(number)
    major = frame is None
    alone = swap.references[number] == 1 and (frame is None or not frames.mappings[frame - frames.first])
    if frame is None:
        frame = frames.allocate(ANONYMOUS, clear=False)
        frames.write(frame, content)
        swap.cache(number, frame)
    if write and not alone:
        # What was read stays for the others, as long as there is room for it; this process gets a copy.
        frame = frames.allocate(ANONYMOUS, clear=False)
        frames.write(frame, content)
    attach(space, slot, protection(area.flags), frame, area.flags)
    space.swap_entries -= 1
    frames.release_slot(number)
    if area.flags & VM_WRITE and may_write(space, area, space.table.words[slot]):
        space.table.words[slot] |= PTE_WRITABLE | (PTE_DIRTY if write else 0)
    return MAJOR if major else MINOR
