"""Numbers, flags, strings and sets as strace prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.signals import signal_name
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls.arguments import quote

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

STRING_SHOWN = 32
"""strace's default -s."""
SIGNALS = 64


@dataclass(slots=True)
class Call:
    """One call that is being printed: the raw argument registers, and the result once there is one."""

    thread: Thread
    name: str
    bits: int
    raw: tuple[int, ...]
    result: int | None = None
    index: int = 0
    """Of the argument that is being printed."""

    @property
    def failed(self) -> bool:
        """Whether it returned an error."""
        return self.result is not None and -4096 < self.result < 0

    @property
    def word(self) -> int:
        """Bytes of a pointer."""
        return self.bits // 8

    def read(self, address: int, count: int) -> bytes:
        """Memory of the program. SyscallError when it isn't there."""
        return self.thread.memory.read(address, count)

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """Pointer-sized numbers of the program's memory."""
        data = self.read(address, self.word * count)
        return tuple(
            int.from_bytes(data[at : at + self.word], "little") for at in range(0, len(data), self.word)
        )

    def number(self, address: int, size: int = 4, *, signed: bool = True) -> int:
        """One number of the program's memory."""
        return int.from_bytes(self.read(address, size), "little", signed=signed)


Printer = Callable[[Call, int], str]


def signed(value: int, bits: int = 32) -> int:
    """The low bits as a signed number."""
    return (value & (1 << bits) - 1 ^ 1 << bits - 1) - (1 << bits - 1)


def integer(call: Call, value: int) -> str:
    """int."""
    return str(signed(value))


def unsigned(call: Call, value: int) -> str:
    """unsigned int."""
    return str(value & 0xFFFFFFFF)


def long(call: Call, value: int) -> str:
    """long."""
    return str(signed(value, call.bits))


def size(call: Call, value: int) -> str:
    """size_t."""
    return str(value)


def word(call: Call, value: int) -> str:
    """A number in hexadecimal; 0 as such."""
    return f"{value:#x}" if value else "0"


def word32(call: Call, value: int) -> str:
    """An unsigned int in hexadecimal."""
    return word(call, value & 0xFFFFFFFF)


def address(call: Call, value: int) -> str:
    """A pointer."""
    return f"{value:#x}" if value else "NULL"


def descriptor(call: Call, value: int) -> str:
    """A file descriptor; AT_FDCWD by name."""
    number = signed(value)
    return "AT_FDCWD" if number == f.AT_FDCWD and call.name in _AT_CALLS else str(number)


_AT_CALLS = frozenset(
    [
        "openat",
        "openat2",
        "mkdirat",
        "mknodat",
        "unlinkat",
        "symlinkat",
        "linkat",
        "renameat",
        "renameat2",
        "readlinkat",
        "fchmodat",
        "fchownat",
        "faccessat",
        "faccessat2",
        "newfstatat",
        "fstatat64",
        "statx",
        "utimensat",
        "utimensat_time64",
        "futimesat",
        "execveat",
        "name_to_handle_at",
        "fchmodat2",
    ]
)


def octal(call: Call, value: int) -> str:
    """A file mode or umask: three digits at least."""
    value &= 0o177777
    return f"0{value:o}" if value >= 0o100 else f"{value:03o}"


def path(call: Call, value: int) -> str:
    """A file name, never cut."""
    if not value:
        return "NULL"
    return quote(call.thread.memory.read_string(value, f.PATH_MAX), limit=f.PATH_MAX)


def text(call: Call, value: int) -> str:
    """A zero-terminated string, cut like a buffer."""
    if not value:
        return "NULL"
    return quote(call.thread.memory.read_string(value, STRING_SHOWN + 1))


def bytes_of(call: Call, value: int, count: int) -> str:
    """The bytes of a buffer."""
    if not value:
        return "NULL"
    return quote(call.read(value, min(count, STRING_SHOWN))) + ("..." if count > STRING_SHOWN else "")


def buffer_of_next(call: Call, value: int) -> str:
    """A buffer whose length is the next argument."""
    return bytes_of(call, value, call.raw[call.index + 1])


def buffer_of_result(call: Call, value: int) -> str:
    """A buffer filled by the call."""
    return bytes_of(call, value, call.result or 0)


def random_bytes(call: Call, value: int) -> str:
    """getrandom's buffer: every byte in hexadecimal."""
    count = call.result or 0
    data = call.read(value, min(count, STRING_SHOWN))
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"' + ("..." if count > STRING_SHOWN else "")


def pointer_to_int(call: Call, value: int) -> str:
    """int *: ``[5]``."""
    return f"[{call.number(value)}]" if value else "NULL"


def pair_of_ints(call: Call, value: int) -> str:
    """int[2]: ``[3, 4]``."""
    return f"[{call.number(value)}, {call.number(value + 4)}]" if value else "NULL"


def pointer_to_word(call: Call, value: int) -> str:
    """unsigned long *."""
    return f"[{call.words(value, 1)[0]:#x}]" if value else "NULL"


@dataclass(frozen=True)
class Flags:
    """Bits by name, in the order of strace's tables; `zero` when none is set."""

    names: tuple[tuple[int, str], ...]
    zero: str = "0"
    unknown: str = ""

    def __call__(self, call: Call, value: int) -> str:
        return self.text(value & 0xFFFFFFFF)

    @cached_property
    def _wide_first(self) -> tuple[tuple[int, str], ...]:
        return tuple(sorted(self.names, key=lambda item: -item[0].bit_count()))

    def text(self, value: int) -> str:
        """The names of a value's bits."""
        found = set()
        rest = value
        for bits, name in self._wide_first:
            if bits and rest & bits == bits:
                found.add(name)
                rest &= ~bits
        parts = [name for _, name in self.names if name in found]
        if rest and not parts and self.unknown:
            return f"{rest:#x} /* {self.unknown} */"
        if rest:
            parts.append(f"{rest:#x}")
        return "|".join(parts) if parts else self.zero


@dataclass(frozen=True)
class Choice:
    """One of some named numbers."""

    names: dict[int, str]
    unknown: str = ""

    def __call__(self, call: Call, value: int) -> str:
        return self.text(signed(value))

    def text(self, value: int) -> str:
        """The name, or the number with a comment that it is unknown."""
        name = self.names.get(value)
        if name is not None:
            return name
        number = f"{value & 0xFFFFFFFF:#x}" if value else "0"
        return f"{number} /* {self.unknown} */" if self.unknown else number


def named(prefix: str, words: str) -> dict[int, str]:
    """``named("SEEK_", "SET=0 CUR END")``: names with the prefix by number, counted on where none is given."""
    found: dict[int, str] = {}
    number = -1
    for item in words.split():
        name, _, digits = item.partition("=")
        number = int(digits, 0) if digits else number + 1
        found.setdefault(number, prefix + name)
    return found


def bits(prefix: str, words: str) -> tuple[tuple[int, str], ...]:
    """The same for flags: ``bits("POLL", "IN=1 PRI=2")``; without a number, the next bit."""
    found, number = [], 0
    for item in words.split():
        name, _, digits = item.partition("=")
        number = int(digits, 0) if digits else max(number << 1, 1)
        found.append((number, prefix + name))
    return tuple(found)


def signal(call: Call, value: int) -> str:
    """A signal number."""
    return signal_text(signed(value))


def signal_text(number: int) -> str:
    """``SIGINT``, ``SIGRTMIN``, ``SIGRT_2``."""
    if number == 32:
        return "SIGRTMIN"
    return signal_name(number) if 1 <= number <= SIGNALS else str(number)


@lru_cache(maxsize=256)
def set_text(mask: int, count: int = SIGNALS) -> str:
    """``[INT USR1]``, or what is missing of a set that holds most of them: ``~[KILL STOP]``."""
    numbers: Iterable[int] = range(1, count + 1)
    sign = ""
    if mask.bit_count() >= count * 2 // 3:
        sign, mask = "~", ~mask
    return sign + "[" + " ".join(signal_text(n)[3:] for n in numbers if mask >> (n - 1) & 1) + "]"


def signal_set(call: Call, value: int) -> str:
    """const sigset_t *."""
    return set_text(call.number(value, 8, signed=False)) if value else "NULL"


def guarded(printer: Printer, call: Call, value: int) -> str:
    """A printer's text, or the address where what it points at can't be read."""
    try:
        return printer(call, value)
    except SyscallError:
        return address(call, value)
