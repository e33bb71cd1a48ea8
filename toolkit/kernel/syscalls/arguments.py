"""The types a system call's arguments are declared with.

Each is an `Annotated` Python type whose `Argument` says how the register becomes the value the handler gets, for both
ABIs, and how a trace prints it. `{r}` in a decode expression stands for the register, `thread` for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, TypeAlias

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

INT = "(({r} & 0xFFFFFFFF ^ 0x80000000) - 0x80000000)"
LONG = "(({r} ^ 0x8000000000000000) - 0x8000000000000000)"
WORD = "{r}"
WORD32 = "({r} & 0xFFFFFFFF)"
STRING_SHOWN = 32
"""strace's default -s."""


@dataclass(frozen=True)
class Argument:
    """One argument: `decode` for x86-64, `decode32` for i386; `after` when its text is known after the call."""

    decode: str = WORD
    decode32: str = WORD32
    after: bool = False

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        """The text of a trace. `value` is the decoded register, `values` all of them by name."""
        return str(value)


@dataclass(frozen=True)
class Hexadecimal(Argument):
    """A pointer or a word: 0x…, NULL."""

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        return hex(value) if value else "NULL"


@dataclass(frozen=True)
class Octal(Argument):
    """A file mode."""

    decode: str = WORD32

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        return f"0{value:o}" if value else "000"


@dataclass(frozen=True)
class Descriptor(Argument):
    """A file descriptor; AT_FDCWD by name where it may stand."""

    decode: str = INT
    decode32: str = INT

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        return "AT_FDCWD" if value == f.AT_FDCWD else str(value)


@dataclass(frozen=True)
class FlagSet(Argument):
    """Bits by name; `zero` is printed for no bits, `enumeration` masks a field that is a number, as O_ACCMODE."""

    decode: str = WORD32
    names: tuple[tuple[int, str], ...] = ()
    zero: str = "0"
    mask: int = 0
    fields: tuple[tuple[int, str], ...] = ()

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        parts = [name for number, name in self.fields if value & self.mask == number]
        rest = value & ~self.mask
        for bits, name in self.names:
            if bits and rest & bits == bits:
                parts.append(name)
                rest &= ~bits
        if rest:
            parts.append(hex(rest))
        return "|".join(parts) if parts else self.zero


@dataclass(frozen=True)
class Choice(Argument):
    """One of some named numbers."""

    decode: str = INT
    decode32: str = INT
    names: tuple[tuple[int, str], ...] = ()

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        return dict(self.names).get(value, str(value))


@dataclass(frozen=True)
class PathText(Argument):
    """A zero-terminated file name, copied in before the handler runs."""

    decode: str = "path(thread, {r})"
    decode32: str = "path(thread, {r} & 0xFFFFFFFF)"

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        if not value:
            return "NULL"
        try:
            return quote(thread.memory.read_string(value, f.PATH_MAX), limit=f.PATH_MAX)
        except SyscallError:
            return hex(value)


@dataclass(frozen=True)
class Buffer(Argument):
    """Bytes in memory; `size` names the argument that holds the length, else it is the result."""

    size: str = ""

    def render(self, thread: Thread, value: int, values: Mapping[str, int], result: int) -> str:
        length = values[self.size] if self.size else result
        if length < 0:
            return hex(value) if value else "NULL"
        try:
            text = quote(thread.memory.read(value, min(length, STRING_SHOWN)))
        except SyscallError:
            return hex(value) if value else "NULL"
        return text + ("..." if length > STRING_SHOWN else "")


ESCAPES = {0x09: "\\t", 0x0A: "\\n", 0x0B: "\\v", 0x0C: "\\f", 0x0D: "\\r", 0x22: '\\"', 0x5C: "\\\\"}


def quote(data: bytes, limit: int = STRING_SHOWN) -> str:
    """A C string literal as strace writes it: octal escapes, three digits only where a digit follows."""
    return _literal(bytes(data[:limit])) + ("..." if len(data) > limit else "")


@lru_cache(maxsize=256)
def _literal(shown: bytes) -> str:
    pieces = []
    for index, byte in enumerate(shown):
        if byte in ESCAPES:
            pieces.append(ESCAPES[byte])
        elif 0x20 <= byte < 0x7F:
            pieces.append(chr(byte))
        else:
            digit_follows = index + 1 < len(shown) and 0x30 <= shown[index + 1] <= 0x39
            pieces.append(f"\\{byte:03o}" if digit_follows else f"\\{byte:o}")
    return '"' + "".join(pieces) + '"'


def path(thread: Thread, address: int) -> bytes:
    """getname(): a path copied from the program; EFAULT, ENAMETOOLONG beyond PATH_MAX - 1 bytes."""
    text = thread.memory.read_string(address, f.PATH_MAX)
    if len(text) >= f.PATH_MAX:
        raise SyscallError(Errno.ENAMETOOLONG)
    return text


def named(module: object, *prefixes: str) -> tuple[tuple[int, str], ...]:
    """The constants of an abi module that begin with one of the prefixes, larger bit groups first."""
    found = [(value, name) for name, value in vars(module).items() if name.startswith(prefixes)]
    return tuple(sorted(found, key=lambda item: (-item[0].bit_count(), item[0])))


OPEN_FLAGS = tuple(
    (bits, name)
    for bits, name in named(f, "O_")
    if name not in {"O_ACCMODE", "O_RDONLY", "O_WRONLY", "O_RDWR", "O_LARGEFILE"}
)

Address: TypeAlias = Annotated[int, Hexadecimal()]
Size: TypeAlias = Annotated[int, Argument()]
Word: TypeAlias = Annotated[int, Hexadecimal()]
Int: TypeAlias = Annotated[int, Argument(INT, INT)]
UnsignedInt: TypeAlias = Annotated[int, Argument(WORD32)]
Long: TypeAlias = Annotated[int, Argument(LONG, INT)]
Mode: TypeAlias = Annotated[int, Octal()]
FileDescriptor: TypeAlias = Annotated[int, Descriptor()]
Path: TypeAlias = Annotated[bytes, PathText()]
OpenFlags: TypeAlias = Annotated[
    int,
    FlagSet(names=OPEN_FLAGS, mask=f.O_ACCMODE, fields=((0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR"))),
]
AtFlags: TypeAlias = Annotated[
    int,
    FlagSet(
        names=(
            (f.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"),
            (f.AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"),
            (f.AT_NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"),
            (f.AT_EMPTY_PATH, "AT_EMPTY_PATH"),
        )
    ),
]
Whence: TypeAlias = Annotated[
    int,
    Choice(names=((0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END"), (3, "SEEK_DATA"), (4, "SEEK_HOLE"))),
]
InBuffer: TypeAlias = Annotated[int, Buffer(size="count")]
OutBuffer: TypeAlias = Annotated[int, Buffer(after=True)]
PROTECTIONS = ((1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"))
MAP_FLAGS = (
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x40, "MAP_32BIT"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x10000, "MAP_NONBLOCK"),
    (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"),
    (0x1000, "MAP_EXECUTABLE"),
    (0x2000, "MAP_LOCKED"),
    (0x20000, "MAP_STACK"),
    (0x40000, "MAP_HUGETLB"),
    (0x80000, "MAP_SYNC"),
    (0x100000, "MAP_FIXED_NOREPLACE"),
)
Protection: TypeAlias = Annotated[int, FlagSet(WORD, names=PROTECTIONS, zero="PROT_NONE")]
MapFlags: TypeAlias = Annotated[
    int,
    FlagSet(
        WORD,
        names=MAP_FLAGS,
        mask=0xF,
        fields=((1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (3, "MAP_SHARED_VALIDATE")),
    ),
]
