"""Labels and the symbols declared around them, from pass to pass (nasm manual 3.9, 7.5 to 7.9; nasm's labels.c)."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.asm.expr import Result
from toolkit.asm.objfile import Section, Symbol
from toolkit.asm.statement import Base, Value

# Kinds of label.
LOCAL, STATIC, GLOBAL, EXTERN, REQUIRED, COMMON, SPECIAL = (
    "local",
    "static",
    "global",
    "extern",
    "required",
    "common",
    "special",
)
OUTSIDE = frozenset((EXTERN, REQUIRED, COMMON))


@dataclass(eq=False, slots=True)
class Label:
    """A name and what is known of it. ``defined`` is the number of the pass that last defined it, 0 for none so far.

    ``value`` is what an expression gets. ``attributes`` is the text after the colon of GLOBAL or EXTERN.
    """

    name: str
    kind: str = LOCAL
    base: Base | None = None
    offset: int = 0
    size: int = 0
    defined: int = 0
    value: Result = 0
    attributes: str = ""
    symbol: Symbol | None = None
    file: str = ""
    line: int = 0
    spelled: tuple[int, int] = (0, 0)
    was_external: bool = False  # EXTERN said so, but it is defined here


class LabelError(Exception):
    """``message`` is nasm's wording; ``other`` the label it collides with, if any."""

    def __init__(self, message: str, other: Label | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.other = other


class Labels:
    """All labels of a program. ``changed`` counts the values that differ from the last pass's."""

    def __init__(self) -> None:
        self.table: dict[str, Label] = {}
        self.pass_number = 0
        self.changed = 0
        self.scope = ""  # the label that ``.local`` ones belong to; at a pass's start the last one of the pass before, as in nasm
        self.outside_scope = (
            False  # a local one was met before any other: in the second pass it has another name
        )
        self.order: list[Label] = []
        self.promoted = False  # an EXTERN turned out to be defined here: uses before it saw the wrong value

    def begin_pass(self) -> None:
        self.pass_number += 1
        self.changed = 0
        self.order = []
        self.promoted = False

    def full_name(self, name: str) -> str:
        """``.loop`` after ``main:`` is ``main.loop`` (nasm manual 3.9)."""
        if name[0] == "." and name[1:2] != ".":
            self.outside_scope |= not self.scope
            return self.scope + name
        return name

    def find(self, name: str) -> Label | None:
        """The label, if any pass has defined it."""
        label = self.table.get(self.full_name(name))
        return label if label is not None and label.defined else None

    def define(
        self,
        name: str,
        base: Base | None,
        offset: int,
        *,
        scope: bool = True,
        where: tuple[str, int] = ("", 0),
    ) -> None:
        """Give a label its place: ``offset`` from ``base`` (None: a plain number). Raises LabelError for a second, other place."""
        full = self.full_name(name)
        label = self.table.get(full)
        if label is None:
            label = self.table[full] = Label(full)
        if label.kind in (EXTERN, REQUIRED):
            label.kind, label.defined, label.symbol = GLOBAL, 0, None
            label.was_external = self.promoted = True
            if label in self.order:
                self.order.remove(label)
        elif label.kind is LOCAL and full.startswith("..") and full[2:3] != "@":
            label.kind = SPECIAL
        if scope and name[0] != ".":
            self.scope = full
        if label.kind is COMMON:
            raise LabelError(f"label `{full}' inconsistently redefined", label)
        changed = not label.defined or label.base is not base or label.offset != offset
        if label.defined == self.pass_number:
            if changed:
                raise LabelError(f"label `{full}' inconsistently redefined", label)
            return
        label.defined = self.pass_number
        label.file, label.line = where
        self.order.append(label)
        if changed:
            self.changed += 1
            label.base, label.offset = base, offset
            label.value = offset if base is None else Value(offset, ((base, 1),))

    def define_section(self, section: Section) -> None:
        """``section.NAME.start`` and ``section.NAME.vstart`` of a flat binary's section (nasm manual 8.1.3)."""
        start = Symbol(f"section.{section.name}.start", section, 0, "start")
        bases: tuple[tuple[str, Base], ...] = (("start", start), ("vstart", section))
        for name, base in bases:
            full = f"section.{section.name}.{name}"
            self.table[full] = Label(full, SPECIAL, base, 0, 0, -1, Value(0, ((base, 1),)))

    def declare(self, name: str, kind: str, attributes: str, size: int = 0) -> Label:
        """GLOBAL, STATIC, EXTERN, REQUIRED or COMMON. Raises LabelError when that contradicts an earlier declaration."""
        full = self.full_name(name)
        label = self.table.get(full)
        if label is None:
            label = self.table[full] = Label(full)
        old = label.kind
        if kind is COMMON and label.defined and label.symbol is None:
            raise LabelError(f"label `{full}' inconsistently redefined", label)
        if old is LOCAL and kind in (EXTERN, REQUIRED) and label.defined:
            label.kind = GLOBAL
        elif old == kind or old is LOCAL:
            label.kind = kind
        elif (old in (EXTERN, REQUIRED) and kind in (GLOBAL, COMMON, REQUIRED)) or (
            old is STATIC and kind is LOCAL
        ):
            label.kind = kind
            if kind is GLOBAL:
                label.symbol, label.defined = None, 0
                self.promoted = True
        elif kind in (EXTERN, REQUIRED) and old in (GLOBAL, COMMON, REQUIRED):
            label.attributes = label.attributes or attributes
            return label
        else:
            raise LabelError(f"symbol `{full}' declared both as {old} and {kind}")
        if attributes:
            if label.attributes and label.attributes.lower() != attributes.lower():
                raise LabelError(
                    f"symbol `{full}' has inconsistent attributes `{label.attributes}' and `{attributes}'",
                    label,
                )
            label.attributes = attributes
        if label.kind in OUTSIDE:
            self._declare_outside(label, size)
        return label

    def _declare_outside(self, label: Label, size: int) -> None:
        """A name from another file has its value at once: itself."""
        if label.defined and label.symbol is None:  # a label of this file was met before
            return
        if label.symbol is None:
            label.symbol = Symbol(label.name, None, 0, label.kind, defined=False)
            label.base, label.value = label.symbol, Value(0, ((label.symbol, 1),))
            self.changed += 1
        label.symbol.binding = label.kind
        if label.kind is COMMON:
            label.symbol.size = label.size = size
        if label.defined != self.pass_number:
            label.defined = self.pass_number
            self.order.append(label)
