"""exec: an ELF file becomes a new address space and stack, built aside; only then the process changes.

Follows fs/exec.c, fs/binfmt_elf.c and fs/binfmt_script.c of Linux 6.18. What fails before the point of no return
is an errno; what fails in mapping the segments kills a running process with SIGSEGV, as there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.abi import files as f
from toolkit.abi import process as p
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
    interpreter_path,
    maximum_alignment,
    read_image,
    total_mapping_size,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenRegular
from toolkit.kernel.fs.vfs import RegularFile, require, walk
from toolkit.kernel.mm.space import AddressSpace
from toolkit.personality.layout import Personality
from toolkit.personality.linux_i386 import PERSONALITY as I386
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64

if TYPE_CHECKING:
    from toolkit.kernel.task import Process

HEADER_READ = 256
SCRIPT_DEPTH = 5
MAX_ARGUMENT = 32 * PAGE_SIZE
ARGUMENTS_FLOOR = 32 * PAGE_SIZE
ARGUMENTS_CEILING = 6 << 20
STACK_EXPAND = 32 * PAGE_SIZE


class ExecKilled(Exception):  # noqa: N818 - a verdict
    """Mapping failed after the point of no return: the process dies of SIGSEGV."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Request:
    """What execve was asked for; scripts rewrite `arguments` and `path`."""

    path: bytes
    file: RegularFile
    opened: OpenRegular
    arguments: list[bytes]
    environment: list[bytes]
    name: bytes
    """The name as given: AT_EXECFN and the process's name come from it."""


@dataclass(slots=True)
class Loaded:
    """A new image, ready to take the place of the old one."""

    space: AddressSpace
    personality: Personality
    entry: int
    stack: int
    auxiliary: bytes
    vdso_symbols: dict[str, int]
    executable: OpenRegular
    name: bytes
    bias: int
    arguments: tuple[bytes, ...] = ()
    environment: tuple[bytes, ...] = ()


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


def open_executable(process: Process, path: bytes, start: object = None) -> tuple[RegularFile, OpenRegular]:
    """open_exec(): ENOENT, EACCES (not a file, no x bit), ETXTBSY."""
    place = process.working.directory if start is None else start
    inode = walk(process, place, path).existing()  # type: ignore[arg-type]
    return checked_executable(process, inode, path)


def checked_executable(process: Process, inode: object, path: bytes) -> tuple[RegularFile, OpenRegular]:
    """The rights an executed file needs."""
    if not isinstance(inode, RegularFile):
        raise SyscallError(Errno.EACCES)
    require(process, inode, f.X_OK)
    if inode.writers:
        raise SyscallError(Errno.ETXTBSY)
    return inode, OpenRegular(inode, f.O_RDONLY, path)


def resolve_scripts(process: Process, request: Request) -> None:
    """Follow `#!` lines (binfmt_script.c): at most five of them, then ELOOP."""
    for _ in range(SCRIPT_DEPTH + 1):
        head = request.file.pages.read(0, HEADER_READ)
        if not head.startswith(b"#!"):
            return
        interpreter, argument = script_line(head)
        request.arguments[:1] = [interpreter, *argument, request.path]
        request.path = interpreter
        request.file, request.opened = open_executable(process, interpreter)
    raise SyscallError(Errno.ELOOP)


def script_line(head: bytes) -> tuple[bytes, list[bytes]]:
    """Interpreter and optional argument of a `#!` line; ENOEXEC when there is none or it is cut off."""
    line, newline, _ = head.partition(b"\n")
    text = line[2:].strip(b" \t").split(b"\0")[0]
    if not text:
        raise SyscallError(Errno.ENOEXEC)
    name, blank, rest = partition_blank(text)
    if not newline and not blank and len(head) == HEADER_READ:
        raise SyscallError(Errno.ENOEXEC)
    return name, [rest] if rest else []


def partition_blank(text: bytes) -> tuple[bytes, bool, bytes]:
    """Split at the first blank or tab."""
    for index, byte in enumerate(text):
        if byte in b" \t":
            return text[:index], True, text[index:].strip(b" \t")
    return text, False, b""


def stack_executable(image: Image, personality: Personality) -> tuple[bool, bool]:
    """(executable stack, READ_IMPLIES_EXEC) from PT_GNU_STACK (arch/x86/include/asm/elf.h)."""
    for segment in image.segments:
        if segment.kind == elf.PT_GNU_STACK:
            return bool(segment.flags & elf.PF_X), False
    return (True, True) if personality.bits == 32 else (False, False)


def check_strings(process: Process, request: Request, word: int) -> None:
    """bprm_stack_limits() and copy_strings(): E2BIG."""
    limit = max(min(ARGUMENTS_CEILING, process.limits.stack // 4), ARGUMENTS_FLOOR)
    pointers = (max(len(request.arguments), 1) + len(request.environment)) * 8
    if limit <= pointers:
        raise SyscallError(Errno.E2BIG)
    total = 0
    for text in (*request.arguments, *request.environment, request.name):
        if len(text) + 1 > MAX_ARGUMENT:
            raise SyscallError(Errno.E2BIG)
        total += len(text) + 1
    if total > limit - pointers:
        raise SyscallError(Errno.E2BIG)


def load(process: Process, request: Request) -> Loaded:
    """Build the new image. SyscallError before the point of no return, ExecKilled after it."""
    if not request.arguments:
        request.arguments.append(b"")
    check_strings(process, request, 8)
    resolve_scripts(process, request)
    check_strings(process, request, 8)
    image = read_image(request.file)
    personality = X86_64 if image.bits == 64 else I386
    interpreter = interpreter_path(image)
    interpreter_image, interpreter_file = None, None
    if interpreter is not None:
        file, interpreter_file = open_executable(process, interpreter)
        if file.size < (elf.EHDR64.size if image.bits == 64 else elf.EHDR32.size):
            raise SyscallError(Errno.EIO)
        interpreter_image = read_image(file, Errno.ELIBBAD)
        if interpreter_image.bits != image.bits:
            raise SyscallError(Errno.ELIBBAD)
    kernel = process.kernel
    space = AddressSpace(
        kernel.machine, kernel.frames, personality.layout, process, stack_limit=process.limits.stack
    )
    try:
        return build(process, request, space, personality, image, interpreter_image, interpreter_file)
    except SyscallError as error:
        space.release()
        raise ExecKilled(f"the kernel could not map the program: {error.errno.name}") from None
    except BaseException:
        space.release()
        raise


def build(
    process: Process,
    request: Request,
    space: AddressSpace,
    personality: Personality,
    image: Image,
    interpreter: Image | None,
    interpreter_file: OpenRegular | None,
) -> Loaded:
    """Stack, segments, interpreter, vdso, tables: in the kernel's order, which decides the addresses."""
    executable, implies = stack_executable(image, personality)
    space.read_implies_exec = implies
    strings = place_strings(request, personality)
    map_stack(process, space, personality, strings, executable)
    mapped = map_image(space, image, request.opened, has_interpreter=interpreter is not None, implies=implies)
    entry, base = mapped.entry, 0
    if interpreter is not None and interpreter_file is not None:
        inner = map_interpreter(space, interpreter, interpreter_file, implies)
        entry, base = inner.entry, inner.bias
    if entry >= personality.layout.task_size:
        raise SyscallError(Errno.EINVAL)
    vdso = vdso_area.map_vdso(process.kernel, space, personality)
    stack, auxiliary = write_tables(
        process, space, personality, request, strings, image, mapped, base, vdso.base, vdso.entry
    )
    set_places(space, image, mapped, strings, stack, interpreter is not None, personality)
    return Loaded(
        space, personality, entry, stack, auxiliary, vdso.symbols, request.opened, request.name,
        mapped.bias, tuple(request.arguments), tuple(request.environment),
    )  # fmt: skip


@dataclass(slots=True)
class Strings:
    """The strings at the top of the stack and where they lie."""

    data: bytes
    address: int
    arguments: list[int]
    environment: list[int]
    name: int
    argument_end: int
    environment_end: int


def place_strings(request: Request, personality: Personality) -> Strings:
    """argv, envp and the file name, downwards from eight zero bytes below the stack's end (fs/exec.c)."""
    top = personality.layout.stack_top - 8
    name = top - len(request.name) - 1
    pieces = [text + b"\0" for text in (*request.arguments, *request.environment)]
    address = name - sum(map(len, pieces))
    places, at = [], address
    for piece in pieces:
        places.append(at)
        at += len(piece)
    count = len(request.arguments)
    argument_end = places[count] if count < len(places) else name
    data = b"".join(pieces) + request.name + b"\0" + bytes(8)
    return Strings(data, address, places[:count], places[count:], name, argument_end, name)


def map_stack(
    process: Process, space: AddressSpace, personality: Personality, strings: Strings, executable: bool
) -> None:
    """setup_arg_pages(): the pages of the strings and 128 KiB more, within the stack limit."""
    top = personality.layout.stack_top
    used = top - (strings.address & ~PAGE_LOW)
    limit = min(process.limits.stack, 1 << 62) & ~PAGE_LOW
    space.map_stack(top, max(min(limit, used + STACK_EXPAND), used), executable=executable)
    space.write(strings.address, strings.data)


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


def write_tables(
    process: Process,
    space: AddressSpace,
    personality: Personality,
    request: Request,
    strings: Strings,
    image: Image,
    mapped: Mapped,
    base: int,
    vdso: int,
    vdso_entry: int,
) -> tuple[int, bytes]:
    """create_elf_tables(): platform, random bytes, auxv, envp, argv, argc. Returns the stack pointer and the auxv."""
    word = personality.word
    top = strings.address & ~15
    platform = top - len(personality.platform) - 1
    random_bytes = platform - 16
    who = process.credentials
    vector: list[tuple[int, int]] = []
    if personality.bits == 32:
        vector.append((p.AT_SYSINFO, vdso_entry))
    vector += [
        (p.AT_SYSINFO_EHDR, vdso),
        (p.AT_MINSIGSTKSZ, personality.minimum_signal_stack),
        (p.AT_HWCAP, personality.hwcap),
        (p.AT_PAGESZ, PAGE_SIZE),
        (p.AT_CLKTCK, p.CLOCKS_PER_SECOND),
        (p.AT_PHDR, mapped.program_headers),
        (p.AT_PHENT, elf.PHDR64.size if image.bits == 64 else elf.PHDR32.size),
        (p.AT_PHNUM, len(image.segments)),
        (p.AT_BASE, base),
        (p.AT_FLAGS, 0),
        (p.AT_ENTRY, mapped.entry),
        (p.AT_UID, who.uid),
        (p.AT_EUID, who.euid),
        (p.AT_GID, who.gid),
        (p.AT_EGID, who.egid),
        (p.AT_SECURE, int(who.uid != who.euid or who.gid != who.egid)),
        (p.AT_RANDOM, random_bytes),
        (p.AT_HWCAP2, personality.hwcap2),
        (p.AT_EXECFN, strings.name),
        (p.AT_PLATFORM, platform),
        (p.AT_RSEQ_FEATURE_SIZE, 0x1C),
        (p.AT_RSEQ_ALIGN, 0x20),
        (p.AT_NULL, 0),
    ]
    letter = "Q" if word == 8 else "I"
    mask = (1 << personality.bits) - 1
    auxiliary = b"".join(pack("<" + letter * 2, key, value & mask) for key, value in vector)
    pointers = [len(request.arguments), *strings.arguments, 0, *strings.environment, 0]
    table = pack(f"<{len(pointers)}{letter}", *pointers)
    stack = (random_bytes - len(auxiliary) - len(table)) & ~15
    space.write(random_bytes, process.kernel.random_bytes(16) + personality.platform.encode() + b"\0")
    space.write(stack, table + auxiliary)
    return stack, auxiliary


def set_places(
    space: AddressSpace,
    image: Image,
    mapped: Mapped,
    strings: Strings,
    stack: int,
    has_interpreter: bool,
    personality: Personality,
) -> None:
    """mm_struct's notes; the break of a program without interpreter that chose its own place is moved away."""
    places = space.places
    bias = mapped.bias
    start_code = 0 if mapped.start_code == MASK else mapped.start_code
    places.start_code, places.end_code = start_code + bias, mapped.end_code + bias
    places.start_data, places.end_data = mapped.start_data + bias, mapped.end_data + bias
    brk = mapped.brk
    if image.kind == elf.ET_DYN and not has_interpreter:
        brk = personality.layout.et_dyn_base
    places.start_brk = places.brk = (brk + PAGE_LOW) & ~PAGE_LOW
    places.start_stack = stack
    places.arg_start, places.arg_end = strings.address, strings.argument_end
    places.env_start, places.env_end = strings.argument_end, strings.environment_end
