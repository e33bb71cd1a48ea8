"""System calls: declared once with `@syscall`, found by number, called with decoded arguments.

The annotations of a handler are its argument types (arguments.py). From them come decoding, the text of traces and
the support table; the errno of a failed call is the `SyscallError` the handler raises. Handlers only decode and
copy: the meaning lives in mm, fs, task and signals.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from toolkit.kernel.syscalls.arguments import Argument, path
from toolkit.personality.layout import Personality

FAMILIES = (
    "memory",
    "process",
    "identity",
    "attributes",
    "signals",
    "files",
    "descriptors",
    "directories",
    "names",
    "inodes",
    "poll",
    "ipc",
    "time",
    "threads",
    "system",
)

Support = Literal["full", "partial", "refused"]
Invoke = Callable[..., int]
Handler = TypeVar("Handler", bound=Callable[..., int])


@dataclass
class Declaration:
    """One handler under one name; `abi` limits it to a personality, `note` says what is missing."""

    name: str
    handler: Callable[..., int]
    abi: str | None
    support: Support
    note: str
    _arguments: tuple[tuple[str, Argument], ...] | None = field(default=None, repr=False)

    @property
    def arguments(self) -> tuple[tuple[str, Argument], ...]:
        """Name and type of each argument, in register order."""
        if self._arguments is None:
            names = vars(importlib.import_module(self.handler.__module__))
            self._arguments = tuple(
                (name, argument_of(self.name, eval(text, names)))
                for name, text in self.handler.__annotations__.items()
                if name not in ("return", "thread")
            )
        return self._arguments

    def compile(self, personality: Personality) -> Invoke:
        """A function (thread, register array) → result that decodes the registers this handler asks for."""
        expressions = ["thread"]
        for index, (_, argument) in enumerate(self.arguments):
            template = argument.decode if personality.bits == 64 else argument.decode32
            expressions.append(template.replace("{r}", f"v[{personality.argument_registers[index]}]"))
        source = f"lambda thread, v: handler({', '.join(expressions)})"
        invoke: Invoke = eval(source, {"handler": self.handler, "path": path})
        return invoke


def argument_of(call: str, hint: Any) -> Argument:
    """The `Argument` of an annotation; TypeError names the call when there is none."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Argument):
                return extra
    raise TypeError(f"{call}: {hint!r} is not an argument type")


DECLARATIONS: dict[tuple[str | None, str], Declaration] = {}


def syscall(
    *names: str,
    abi: Literal["x86_64", "i386"] | None = None,
    support: Support = "full",
    note: str = "",
) -> Callable[[Handler], Handler]:
    """Declare a handler for the calls `names` (default: the function's name without a trailing underscore)."""

    def declare(handler: Handler) -> Handler:
        for name in names or (handler.__name__.rstrip("_"),):
            DECLARATIONS[abi, name] = Declaration(name, handler, abi, support, note)
        return handler

    return declare


@dataclass(slots=True)
class Entry:
    """One number of a personality, ready to be called."""

    number: int
    name: str
    declaration: Declaration | None
    invoke: Invoke | None


class SyscallTable:
    """Number → entry of one personality; entries are compiled when first used."""

    def __init__(self, personality: Personality) -> None:
        self.personality = personality
        self.entries: dict[int, Entry] = {}

    def entry(self, number: int) -> Entry:
        """The entry of a number; without a declaration when this kernel lacks the call."""
        found = self.entries.get(number)
        if found is None:
            found = self.entries[number] = self._compile(number)
        return found

    def _compile(self, number: int) -> Entry:
        load_families()
        name = self.personality.syscall_names.get(number)
        if name is None:
            return Entry(number, f"syscall_{number:#x}", None, None)
        declaration = DECLARATIONS.get((self.personality.name, name)) or DECLARATIONS.get((None, name))
        invoke = declaration.compile(self.personality) if declaration is not None else None
        return Entry(number, name, declaration, invoke)


TABLES: dict[str, SyscallTable] = {}


def table(personality: Personality) -> SyscallTable:
    """The table of a personality, shared by all kernels."""
    found = TABLES.get(personality.name)
    if found is None:
        found = TABLES[personality.name] = SyscallTable(personality)
    return found


def load_families() -> None:
    """Import the handlers' modules."""
    for family in FAMILIES:
        importlib.import_module(f"toolkit.kernel.syscalls.{family}")


@dataclass(frozen=True)
class SupportRow:
    """One line of the support table."""

    number: int
    name: str
    support: Support | Literal["missing"]
    family: str
    note: str


def support_table(personality: Personality) -> list[SupportRow]:
    """Every system call of a personality with its level of support, by number."""
    load_families()
    rows = []
    for number, name in sorted(personality.syscall_names.items()):
        declaration = DECLARATIONS.get((personality.name, name)) or DECLARATIONS.get((None, name))
        if declaration is None:
            rows.append(SupportRow(number, name, "missing", "", ""))
        else:
            family = declaration.handler.__module__.rpartition(".")[2]
            rows.append(SupportRow(number, name, declaration.support, family, declaration.note))
    return rows
