"""Mapping the segments of an ELF file, and those of its interpreter (fs/binfmt_elf.c elf_load)."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.abi import elf
from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PAGE_SIZE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from toolkit.kernel import vdso_area
from toolkit.kernel.elf_image import (
    MASK,
    PAGE_LOW,
    Image,
    Segment,
    maximum_alignment,
    total_mapping_size,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenRegular
from toolkit.kernel.mm.space import AddressSpace


@dataclass(slots=True)
class Mapped:
    """Where the segments of one file went."""

    bias: int = 0
    entry: int = 0
    program_headers: int = 0
    brk: int = 0
    start_code: int = MASK
    end_code: int = 0
    start_data: int = 0
    end_data: int = 0
    loaded: bool = field(default=False)


def protection(flags: int, implies: bool) -> int:
    """mmap's PROT bits of a segment's flags; READ_IMPLIES_EXEC adds PROT_EXEC to PROT_READ."""
    prot = 0
    if flags & elf.PF_R:
        prot |= PROT_READ | (PROT_EXEC if implies else 0)
    if flags & elf.PF_W:
        prot |= PROT_WRITE
    if flags & elf.PF_X:
        prot |= PROT_EXEC
    return prot


def map_image(
    space: AddressSpace, image: Image, file: OpenRegular, *, has_interpreter: bool, implies: bool
) -> Mapped:
    """The loop over PT_LOAD of load_elf_binary()."""
    mapped = Mapped()
    task_size = space.layout.task_size
    for segment in image.loads:
        flags, total = MAP_PRIVATE, 0
        if mapped.loaded:
            flags |= MAP_FIXED
        elif image.kind == elf.ET_EXEC:
            flags |= MAP_FIXED_NOREPLACE
        else:
            flags |= choose_bias(space, image, segment, mapped, has_interpreter)
            total = total_mapping_size(image.loads)
        address = load_segment(
            space, file, segment, (mapped.bias + segment.address) & MASK, flags, total, implies
        )
        if not mapped.loaded:
            mapped.loaded = True
            if image.kind == elf.ET_DYN:
                mapped.bias = (mapped.bias + address - ((mapped.bias + segment.address) & ~PAGE_LOW)) & MASK
        note_segment(mapped, image, segment, task_size)
    mapped.entry = (image.entry + mapped.bias) & MASK
    mapped.program_headers = (mapped.program_headers + mapped.bias) & MASK
    mapped.brk += mapped.bias
    return mapped


def choose_bias(
    space: AddressSpace, image: Image, first: Segment, mapped: Mapped, has_interpreter: bool
) -> int:
    """Where a position-independent image goes; the mmap flags to add."""
    alignment = maximum_alignment(image.loads)
    flags = 0
    bias = 0
    if not total_mapping_size(image.loads):
        raise SyscallError(Errno.EINVAL)
    if has_interpreter:
        bias = space.layout.et_dyn_base & ~(alignment - 1)
        flags = MAP_FIXED_NOREPLACE
    elif alignment > PAGE_SIZE:
        size = total_mapping_size(image.loads) + alignment
        place = vdso_area.gap(space, (size + PAGE_LOW) & ~PAGE_LOW)
        bias = (place + alignment - 1) & ~(alignment - 1)
        flags = MAP_FIXED_NOREPLACE
    mapped.bias = (bias - first.address) & MASK & ~PAGE_LOW
    return flags


def note_segment(mapped: Mapped, image: Image, segment: Segment, task_size: int) -> None:
    """Check the sizes and keep the extremes, as the end of the loop does."""
    start = segment.address
    if segment.offset <= image.header_offset < segment.offset + segment.file_size:
        mapped.program_headers = image.header_offset - segment.offset + start
    if segment.flags & elf.PF_X:
        mapped.start_code = min(mapped.start_code, start)
    mapped.start_data = max(mapped.start_data, start)
    if (
        start >= task_size
        or segment.file_size > segment.memory_size
        or segment.memory_size > task_size
        or task_size - segment.memory_size < start
    ):
        raise SyscallError(Errno.EINVAL)
    end = start + segment.file_size
    if segment.flags & elf.PF_X:
        mapped.end_code = max(mapped.end_code, end)
    mapped.end_data = max(mapped.end_data, end)
    mapped.brk = max(mapped.brk, start + segment.memory_size)


def load_segment(
    space: AddressSpace,
    file: OpenRegular,
    segment: Segment,
    address: int,
    flags: int,
    total: int,
    implies: bool,
) -> int:
    """elf_load(): map the file's part, clear the rest of its last page, map anonymous pages behind it."""
    prot = protection(segment.flags, implies)
    inside = segment.address & PAGE_LOW
    if segment.file_size:
        place = map_file(space, file, segment, address, prot, flags, total)
        zero_start = place + inside + segment.file_size
        if segment.memory_size > segment.file_size:
            clear_tail(space, zero_start, writable=bool(prot & PROT_WRITE))
    else:
        place = zero_start = address & ~PAGE_LOW
    if segment.memory_size > segment.file_size:
        start = (zero_start + PAGE_LOW) & ~PAGE_LOW
        end = (place + inside + segment.memory_size + PAGE_LOW) & ~PAGE_LOW
        if end > space.layout.task_size:
            raise SyscallError(Errno.ENOMEM)
        if end > start:
            extra = PROT_EXEC if prot & PROT_EXEC else 0
            space.mmap(
                start, end - start, PROT_READ | PROT_WRITE | extra, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
            )
    return place


def map_file(
    space: AddressSpace, file: OpenRegular, segment: Segment, address: int, prot: int, flags: int, total: int
) -> int:
    """elf_map(): with `total`, room for the whole image is found by mapping it all, then cut."""
    inside = segment.address & PAGE_LOW
    size = segment.file_size + inside
    offset = segment.offset - inside
    address &= ~PAGE_LOW
    size = (size + PAGE_LOW) & ~PAGE_LOW
    if offset & PAGE_LOW or offset < 0 or size > MASK:
        raise SyscallError(Errno.EINVAL)
    if not total:
        return space.mmap(address, size, prot, flags, file, offset)
    total = (total + PAGE_LOW) & ~PAGE_LOW
    place = space.mmap(address, total, prot, flags, file, offset)
    if total > size:
        space.munmap(place + size, total - size)
    return place


def clear_tail(space: AddressSpace, start: int, *, writable: bool) -> None:
    """padzero(): zeros up to the page's end; a page that can't be written matters only if it should be."""
    count = -start & PAGE_LOW
    if not count:
        return
    try:
        space.write(start, bytes(count))
    except SyscallError:
        if writable:
            raise


def map_interpreter(space: AddressSpace, image: Image, file: OpenRegular, implies: bool) -> Mapped:
    """load_elf_interp()."""
    mapped = Mapped()
    total = total_mapping_size(image.loads)
    if not total:
        raise SyscallError(Errno.EINVAL)
    for segment in image.loads:
        flags = MAP_PRIVATE
        if image.kind == elf.ET_EXEC or mapped.loaded:
            flags |= MAP_FIXED
        elif image.kind == elf.ET_DYN:
            mapped.bias = -segment.address & MASK
        address = (mapped.bias + segment.address) & MASK
        place = load_segment(space, file, segment, address, flags, total, implies)
        total = 0
        if not mapped.loaded and image.kind == elf.ET_DYN:
            mapped.bias = (place - (segment.address & ~PAGE_LOW)) & MASK
        mapped.loaded = True
        start = (mapped.bias + segment.address) & MASK
        limit = space.layout.task_size
        if start >= limit or segment.file_size > segment.memory_size or segment.memory_size > limit - start:
            raise SyscallError(Errno.ENOMEM)
    mapped.entry = (image.entry + mapped.bias) & MASK
    return mapped
