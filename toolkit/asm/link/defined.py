"""--defsym NAME=EXPRESSION: a sum of numbers and symbols, as ld's scripts write them."""

from __future__ import annotations

import re

from toolkit.asm.link.context import Context
from toolkit.asm.link.model import DEFINED, UNDEFINED, Entry

_TERM = re.compile(r"\s*([+-]?)\s*(?:(0[xX][0-9a-fA-F]+|[0-9]+)([KkMm]?)|([A-Za-z_.$][\w.$]*))\s*")
_SCALE = {"": 1, "k": 1 << 10, "m": 1 << 20}

_Terms = list[tuple[int, int | str]]  # sign, number or name


def terms(expression: str) -> _Terms | None:
    """The parts of an expression; None when it is not understood."""
    found: _Terms = []
    at = 0
    while at < len(expression):
        match = _TERM.match(expression, at)
        if match is None or (found and not match[1]):
            return None
        sign = -1 if match[1] == "-" else 1
        if match[4]:
            found.append((sign, match[4]))
        else:
            octal = len(match[2]) > 1 and match[2][0] == "0" and match[2].isdigit()
            if octal and set(match[2]) & set("89"):
                return None
            number = int(match[2], 8 if octal else 0)
            found.append((sign, number * _SCALE[match[3].lower()]))
        at = match.end()
    return found or None


def declare(context: Context) -> None:
    """Make the names known before any input asks for them."""
    for name, expression in context.options.defined:
        parts = terms(expression)
        if not name or parts is None:
            context.say(
                "error", f"--defsym: syntax error in `{name}={expression}'", "ld", ld_message="syntax error"
            )
            continue
        entry = context.names.entry(name)
        entry.state, entry.section, entry.value, entry.referenced = DEFINED, None, 0, True
        entry.assigned = True
        for _, part in parts:
            if isinstance(part, str):
                other = context.names.entry(part)
                other.state = other.state or UNDEFINED


def evaluate(context: Context) -> None:
    """Give the names their values, in order, once addresses are known."""
    for name, expression in context.options.defined:
        entry = context.names.entry(name)
        parts = terms(expression) or []
        names = [context.names.entry(part) for _, part in parts if isinstance(part, str)]
        missing = next((other for other in names if not other.is_defined), None)
        if missing is not None:
            context.say(
                "error",
                f"undefined symbol `{missing.name}' referenced in expression",
                "ld",
                help=f"define `{missing.name}', or take it out of --defsym {name}={expression}",
                ld_message=f"undefined symbol `{missing.name}' referenced in expression",
            )
            continue
        total = sum(
            sign * (part if isinstance(part, int) else context.names.entry(part).address)
            for sign, part in parts
        )
        _assign(entry, names, total, alone=len(parts) == 1)


def _assign(entry: Entry, names: list[Entry], total: int, alone: bool) -> None:
    """A symbol alone gives its section and type; a sum is absolute."""
    entry.section, entry.value = None, total & ((1 << 64) - 1)
    if alone and names:
        entry.section, entry.type = names[0].section, names[0].type
        if entry.section is not None:
            entry.value = names[0].value
