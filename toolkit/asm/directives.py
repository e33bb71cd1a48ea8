"""The primitive directives in brackets (nasm manual chapter 7; nasm's directiv.c): a table of functions.

The user-level forms (``section .text`` without brackets) are standard macros that end in these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.asm.expr import StatementError
from toolkit.asm.instructions.forms import CPU_LATE_VEX, CPU_LEVELS, CPU_NO_EVEX, CPU_NO_VEX
from toolkit.asm.layout_symbols import COMMON, EXTERN, GLOBAL, REQUIRED, STATIC
from toolkit.asm.scan import ScanError, read_number
from toolkit.asm.statement import Value

if TYPE_CHECKING:
    from toolkit.asm.layout import Pass

Directive = Callable[["Pass", str], None]
# What NASM knows for other formats: refused in nasm's words, not called unknown to it.
_ROUNDINGS = frozenset(("near", "up", "down", "zero"))


def _invalid_parameter(name: str) -> StatementError:
    return StatementError(f"invalid parameter to [{name}] directive")


def _bits(run: Pass, value: str) -> None:
    match = re.match(r"\s*(\d+)", value)
    bits = int(match.group(1)) if match and len(match.group(1)) < 4 else 0
    if bits not in (16, 32, 64):
        raise StatementError(f"`{value}' is not a valid segment size; must be 16, 32 or 64")
    run.set_bits(bits)


def _section(run: Pass, value: str) -> None:
    run.place.enter(run.format.open_section(run, value))


def _align_section(run: Pass, value: str) -> None:
    if not value:
        return
    alignment = run.constant(value)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & alignment - 1:
        raise StatementError(f"segment alignment `{value}' is not power of two")
    if alignment > 0x7FFFFFFF:
        power = alignment.bit_length() - 1
        raise StatementError(f"absurdly large segment alignment `{value}' (2^{power})")
    section = run.place.section
    if section is not None:
        run.format.align_section(section, alignment)


_SYMBOL = re.compile(r"\$?([A-Za-z_.?@\x80-\xff][A-Za-z0-9_.?@$#~\x80-\xff]*)(?=[:\s]|\Z)")


def _declare(kind: str) -> Directive:
    def declare(run: Pass, value: str) -> None:
        match = _SYMBOL.match(value)
        if not match:
            raise StatementError(f"identifier expected after {run.directive}, got `{value}'")
        size_text, _, attributes = value[match.end() :].partition(":")
        size = 0
        size_text = size_text.strip()
        if kind is COMMON:
            size = _common_size(run, size_text)
        elif size_text:
            raise StatementError(f"invalid syntax in {run.directive} declaration")
        run.format.check_kind(kind)
        label = run.labels.declare(match.group(1), kind, attributes.strip(), size)
        if kind is COMMON:
            run.format.check_common(attributes)
        if not label.file:
            label.file, label.line = run.line.report_file, run.line.report_line

    return declare


def _common_size(run: Pass, text: str) -> int:
    if not text:
        raise StatementError("no size specified in common declaration")
    try:
        return read_number(text)[0]
    except ScanError:
        raise StatementError("invalid size specified in common declaration") from None


def _absolute(run: Pass, value: str) -> None:
    try:
        result = run.constant(value)
    except StatementError:
        run.place.enter_absolute(None, 0x100)
        raise
    if isinstance(result, int):
        run.place.enter_absolute(None, result)
        return
    if isinstance(result, Value) and not result.unknown and len(result.terms) == 1:
        base, coefficient = result.terms[0]
        if coefficient == 1 and not isinstance(base, str):
            run.place.enter_absolute(base, result.constant)
            return
    raise StatementError("cannot use non-relocatable expression as ABSOLUTE address")


def _default(run: Pass, value: str) -> None:
    match = re.match(r"[A-Za-z]+", value)
    word = match.group().lower() if match else ""
    if word in ("rel", "abs"):
        run.context.default_relative = word == "rel"
    elif word in ("bnd", "nobnd"):
        run.context.default_bound_relative = word == "bnd"
    else:
        raise _invalid_parameter("default")
    run.context_changed()


_CPUS = {
    "default": 0, "all": 0, "any": 0, "8086": 0, "186": 1, "80186": 1, "i186": 1, "286": 2, "80286": 2, "i286": 2,
    "386": 3, "80386": 3, "i386": 3, "486": 4, "80486": 4, "i486": 4, "586": 5, "pentium": 5, "i586": 5,
    "686": 6, "p6": 6, "ppro": 6, "pentiumpro": 6, "p2": 6, "i686": 6, "p3": 7, "katmai": 7, "p4": 8,
    "willamette": 8, "prescott": 9, "x64": 10, "x86-64": 10, "ia64": 15, "ia-64": 15, "itanium": 15,
    "itanic": 15, "merced": 15, "nehalem": 11, "westmere": 12, "sandybridge": 13, "future": 14,
}  # fmt: skip
_EVERYTHING = frozenset(("default", "all", "any"))


def _cpu(run: Pass, value: str) -> None:
    """The level, and the flags that take encodings away: ``cpu 386``, ``cpu default latevex``, ``cpu -evex``."""
    mask = 0
    for word in re.split(r"[\s,]+", value.strip().lower()):
        sign = word[:1] if word[:1] in "+-*^" else ""
        name = word.removeprefix(sign)
        off = sign == "-" or name.startswith("no")
        name = (
            name.removeprefix("no")
            if name.startswith("no") and name[2:] in ("evex", "vex", "latevex")
            else name
        )
        if name in _CPUS and not sign:
            mask = 0 if name in _EVERYTHING else list(CPU_LEVELS.values())[_CPUS[name]]
        elif name == "evex":
            mask = mask | CPU_NO_EVEX if off else mask & ~CPU_NO_EVEX
        elif name == "vex":
            mask = mask | CPU_NO_VEX if off else mask & ~CPU_NO_VEX
        elif name == "latevex":
            mask = mask & ~CPU_LATE_VEX if off else mask | CPU_LATE_VEX
        elif name:
            raise StatementError(f"unknown CPU type or flag '{name}'")
    run.context.cpu = mask
    run.context_changed()


def _float(run: Pass, value: str) -> None:
    word = value.lower()
    if word in _ROUNDINGS:
        run.set_float_mode(word, run.float_mode.denormals_are_zero)
    elif word in ("daz", "nodaz"):
        run.set_float_mode(run.float_mode.rounding, word == "daz")
    elif word == "default":
        run.set_float_mode("near", False)
    else:
        raise StatementError(f"unknown 'float' directive: {value}")


def _warning(run: Pass, value: str) -> None:
    word = value.strip().lower()
    if word == "push":
        run.warning_stack.append(dict(run.warning_states))
    elif word == "pop":
        run.warning_states = run.warning_stack.pop() if run.warning_stack else dict(run.first_warning_states)
    else:
        set_warning_state(run.warning_states, run.first_warning_states, word)


def set_warning_state(states: dict[str, str], first: dict[str, str], word: str) -> None:
    """``+name``, ``-name``, ``*name``, ``error=name`` or ``no-name`` (nasm manual 2.1.26, 7.14); unknown names are ignored."""
    action = word[:1] if word[:1] in "+-*" else "+"
    name = word.lstrip("+-*")
    if name.startswith("no-") or name.startswith("no"):
        stripped = name.removeprefix("no-")
        if stripped != name:
            name, action = stripped, "-"
    error = name.startswith("error")
    if error:
        name = name.removeprefix("error").lstrip("=") or "all"
    if action == "*":
        if name == "all":
            states.clear()
            states.update(first)
        elif name in first:
            states[name] = first[name]
        else:
            states.pop(name, None)
    elif error:
        states[name] = "error" if action == "+" else "on"
    else:
        states[name] = "on" if action == "+" else "off"


def _list(run: Pass, value: str) -> None:
    if value[:1] not in ("+", "-"):
        raise _invalid_parameter("list")
    run.listing_switches.append((run.line.listed, value[0] == "+"))


def _debug(run: Pass, value: str) -> None:
    if not re.match(r"[A-Za-z_.?@]", value):
        raise StatementError("identifier expected after DEBUG")


def _nothing(run: Pass, value: str) -> None:
    """Pragmas and hints that change nothing here."""


TABLE: dict[str, Directive] = {
    "bits": _bits,
    "section": _section,
    "segment": _section,
    "sectalign": _align_section,
    "global": _declare(GLOBAL),
    "static": _declare(STATIC),
    "extern": _declare(EXTERN),
    "required": _declare(REQUIRED),
    "common": _declare(COMMON),
    "absolute": _absolute,
    "default": _default,
    "cpu": _cpu,
    "float": _float,
    "warning": _warning,
    "list": _list,
    "debug": _debug,
    "pragma": _nothing,
}


def carry_out(run: Pass, name: str, written: str, value: str) -> None:
    """Do what ``[name value]`` says. Raises StatementError."""
    action = TABLE.get(name) or run.format.directives.get(name)
    if action is None:
        raise StatementError(f"unrecognized directive [{written}]")
    run.directive = name
    action(run, value)
