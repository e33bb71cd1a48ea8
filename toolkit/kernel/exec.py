"""exec: an ELF file becomes a new address space and stack, built aside; only then the process changes.

Follows fs/exec.c, fs/binfmt_elf.c and fs/binfmt_script.c of Linux 6.18. What fails before the point of no return
is an errno; what fails in mapping the segments kills a running process with SIGSEGV, as there. exec_image.py maps the
segments, exec_stack.py makes the initial stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_SIZE,
)
from toolkit.kernel import vdso_area
from toolkit.kernel.elf_image import (
    MASK,
    PAGE_LOW,
    Image,
    interpreter_path,
    read_image,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.exec_image import Mapped, map_image, map_interpreter
from toolkit.kernel.exec_stack import Strings, map_stack, place_strings, write_tables
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
