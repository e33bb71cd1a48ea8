"""A moment of a run to come back to, whatever the run does after it: `restore` makes the computer what it was then.

The state of a kernel is Python objects, the frames that were handed out, and the machine's registers. All objects that
can be reached from the kernel and can change are noted once with what they hold; coming back puts that into the same
objects again. Two things are kept on purpose, since they tell the program nothing: code that the machine has translated, as
long as its pages are a file's and nobody wrote to them, and what is remembered to stop at.

An object of a kind that is not known here makes the moment one that can't be returned to: `Unrestorable`.
"""

from __future__ import annotations

import copy
import ctypes
import enum
import functools
import random
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from toolkit.abi.memory import PAGE_SHIFT
from toolkit.kernel.mm.frames import FILE, FIXED
from toolkit.kernel.syscalls import SyscallTable
from toolkit.machine.cpu import Context, Machine
from toolkit.personality.layout import Layout, Personality

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel

MOST_FRAMES = 1024
"""A program with more resident frames is not worth it: copying them takes as long as starting it anew."""
UNCHANGING = (
    *(type, types.ModuleType, types.BuiltinFunctionType, enum.Enum),
    *(int, float, complex, str, bytes, range, type(None), type(NotImplemented), type(...)),
)
ATOMS = (int, str, bytes, type(None))
OF_ALL_KERNELS = (Machine, Context, SyscallTable, Personality, Layout, memoryview, ctypes.Array)
"""What belongs to the machine, or to every kernel alike; the machine's part is restored by itself."""
IGNORED = (*UNCHANGING, *OF_ALL_KERNELS)

WITHOUT_STATE = (types.FunctionType, types.MethodType, functools.partial, tuple, frozenset)

Undo = Callable[[], object]


class Unrestorable(Exception):  # noqa: N818 - a verdict
    """This state can't be returned to."""


class Checkpoint:
    """The state of a kernel whose main process stands before its first instruction. Raises Unrestorable."""

    def __init__(self, kernel: Kernel) -> None:
        frames = kernel.frames
        if frames.fresh > MOST_FRAMES or kernel.current is None:
            raise Unrestorable("the program is too large")
        self._kernel = kernel
        self._context = kernel.machine.save_context()
        self._first = frames.first << PAGE_SHIFT
        self._end = self._first + (frames.fresh << PAGE_SHIFT)
        self._content = kernel.machine.bytes[self._first : self._end].tobytes()
        self._memory_files = frames.memory_files
        found = tuple(reachable(kernel))
        attributes = [(held, held.copy()) for held in map(attributes_of, found) if held is not None]
        self._plain = tuple(each for each in attributes if is_plain(each[1]))
        filled = [(each, copy.copy(each)) for each in found if isinstance(each, (dict, set))]
        self._filled = (*(each for each in attributes if not is_plain(each[1])), *filled)
        self._undo = tuple(undo for each in found if (undo := undo_of(each)) is not None)

    def restore(self) -> None:
        """Come back. Raises Unrestorable when the run left behind what would still act later."""
        kernel, frames, machine = self._kernel, self._kernel.frames, self._kernel.machine
        if (
            frames.memory_files != self._memory_files
        ):  # they give their pages back whenever Python forgets them
            raise Unrestorable("the program has shared memory of its own")
        code = translated_files(kernel)
        translated = {} if code is None else frames.translated | code
        for held, before in self._plain:
            if held != before:
                held.clear()
                held.update(before)
        for container, content in self._filled:
            if container or content:
                container.clear()
                container.update(content)
        for undo in self._undo:
            undo()
        machine.bytes[self._first : self._end] = self._content
        machine.rewind(self._context, keep_code=code is not None)
        frames.translated = translated


def translated_files(kernel: Kernel) -> dict[int, bytes] | None:
    """The frames that code may have been translated from, with what they hold; None if the program may have written code."""
    frames = kernel.frames
    if kernel.machine.rewrites:
        return None
    found: dict[int, bytes] = {}
    index = frames.code.find(1)
    while index >= 0:
        if frames.kind[index] not in (FILE, FIXED):
            return None
        found[frames.first + index] = frames.read(frames.first + index)
        index = frames.code.find(1, index + 1)
    return found


def reachable(kernel: Kernel) -> Iterable[object]:
    """Every object that can be reached from the kernel and is its own, each once. Raises Unrestorable."""
    seen: dict[int, object] = {}
    common = {id(table.entries) for table in kernel.tables.values()}
    pending: list[object] = [kernel]
    while pending:
        found = pending.pop()
        if isinstance(found, IGNORED) or id(found) in seen or id(found) in common:
            continue
        seen[id(found)] = found
        pending += referents(found)
    return seen.values()


def referents(found: Any) -> Iterable[object]:
    """What an object refers to. Raises Unrestorable for a kind that is not known."""
    if isinstance(found, types.FunctionType):
        return [cell.cell_contents for cell in found.__closure__ or ()]
    if isinstance(found, types.MethodType):
        return (found.__self__,)
    if isinstance(found, functools.partial):
        return (found.func, *found.args, *found.keywords.values())
    inside: list[object] = [
        getattr(found, name) for name in slots_of(found.__class__) if hasattr(found, name)
    ]
    if hasattr(found, "__dict__"):
        inside += vars(found).values()
    if isinstance(found, dict):
        inside += [*found, *found.values()]
    elif isinstance(found, (list, tuple, set, frozenset, deque)):
        inside += found
    elif not isinstance(found, (bytearray, array, random.Random)) and type(found).__module__ == "builtins":
        raise Unrestorable(f"a {type(found).__name__} can't be returned to an earlier state")
    return inside


@functools.cache
def slots_of(kind: type) -> tuple[str, ...]:
    """The names in the __slots__ of a class and of those it is made from."""
    names: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in names if not name.startswith("__"))


def attributes_of(found: Any) -> dict[str, Any] | None:
    """The dictionary in which the object has what can change, if it is of that kind: most are."""
    if isinstance(found, (dict, set, *WITHOUT_STATE)) or is_frozen(found) or not hasattr(found, "__dict__"):
        return None
    if slots_of(found.__class__):
        raise Unrestorable(f"{type(found).__name__} has both slots and other attributes")
    held: dict[str, Any] = vars(found)
    return held


def is_plain(held: dict[str, Any]) -> bool:
    """Whether equal attributes are as good: their values can't change, or are equal to nothing but themselves.

    If one were an equal list instead, only the list of before would be taken back.
    """
    kinds: set[Any] = {type(value) for value in held.values() if not isinstance(value, ATOMS)}
    return all(kind.__eq__ is object.__eq__ for kind in kinds)


def undo_of(found: Any) -> Undo | None:
    """What puts into any other object what it holds now; None for one that can't change."""
    if isinstance(found, (dict, set, *WITHOUT_STATE)) or is_frozen(found):
        return None
    if isinstance(found, deque):
        return functools.partial(requeue, found, tuple(found))
    if isinstance(found, (list, bytearray, array)):
        return functools.partial(found.__setitem__, slice(None), found[:])
    if isinstance(found, random.Random):
        return functools.partial(found.setstate, found.getstate())
    held = [(name, getattr(found, name)) for name in slots_of(found.__class__) if hasattr(found, name)]
    return functools.partial(reassign, found, held) if held else None


def is_frozen(found: object) -> bool:
    """Whether it is of a data class whose attributes are set once."""
    return is_dataclass(found) and bool(vars(found.__class__)["__dataclass_params__"].frozen)


def requeue(queue: deque[Any], content: Iterable[Any]) -> None:
    """Make a queue hold `content`."""
    queue.clear()
    queue.extend(content)


def reassign(target: object, held: Iterable[tuple[str, object]]) -> None:
    """Set attributes that live in slots."""
    for name, value in held:
        setattr(target, name, value)
