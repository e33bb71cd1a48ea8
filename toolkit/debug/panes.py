"""The panes of the full screen: a sight in, styled text out. Nothing here knows of a terminal.

Each pane is drawn for a width and a height in characters, and shows what matters within them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from rich.console import Console
from rich.text import Text

from toolkit.debug import flags
from toolkit.debug.places import Listing, Places
from toolkit.debug.sight import Sight

CHANGED = "bold yellow"
DIM = "dim"
HERE = "bold reverse"
WORDS = "cyan"
ERROR = "bold red"
_ALL = tuple(name for name in ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16))))  # fmt: skip


@dataclass(frozen=True)
class View:
    """What the panes are drawn from."""

    now: Sight
    before: Sight | None
    places: Places
    listing: Listing
    row: int | None
    """Of the present instruction in the listing."""
    cursor: int
    breakpoints: frozenset[int]
    watch: str
    done: str
    said: str = ""


def lines(rows: Iterable[Text], width: int, height: int) -> Text:
    """At most so many rows, each cut at the width."""
    shown = []
    for row in list(rows)[: max(0, height)]:
        row.truncate(max(1, width), overflow="ellipsis")
        shown.append(row)
    return Text("\n", no_wrap=True).join(shown)


def visible(data: bytes) -> str:
    """Text of a program that can't move the cursor: other than printable characters are shown as escapes."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(each if each in "\n" or each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    return {"\t": "    ", "\r": "\\r"}.get(character, f"\\x{ord(character):02x}")


# -- source ------------------------------------------------------------------------------------------------------


def source(view: View, width: int, height: int) -> Text:
    """The listing around the cursor: ``→`` marks the instruction that runs next, ``●`` breakpoints."""
    rows, middle = view.listing.rows, view.cursor
    first = max(0, min(middle - height // 2, len(rows) - height))
    drawn = []
    for number, row in enumerate(rows[first : first + height], first):
        stop = any(address in view.breakpoints for address in row.addresses)
        mark = ("●" if stop else " ") + ("→" if number == view.row else " ")
        head = f"{number + 1:4d}  " if view.listing.numbered else ""
        style = HERE if number == view.row else "underline" if number == view.cursor else ""
        line = Text.assemble((mark, ERROR if stop else "bold"))
        line.append(head, style=DIM)
        line.append(row.text.ljust(width - len(mark) - len(head)) if style else row.text, style=style)
        drawn.append(line)
    return lines(drawn, width, height)


def story(view: View, width: int, height: int) -> Text:
    """What the last instruction did, and what the next one will do; or how the program ended, and why."""
    rows: list[Text] = []
    if view.done:
        rows.append(Text.assemble(("did   ", DIM), view.done))
    if view.now.ended:
        first, *rest = view.now.fate
        rows += [Text.assemble(("end   ", DIM), (first, ERROR)), *(Text("      " + each) for each in rest)]
    elif view.now.effect is not None:
        instruction = view.now.effect.instruction
        rows.append(Text.assemble(("next  ", DIM), (instruction.text, "bold")))
        will = view.now.effect.will_do()
        if will.startswith("system call read(fd 0,") and view.now.taken == len(view.now.given):
            will += "; nothing is left of its input: i gives it a line"
        if will != instruction.text:
            rows.append(Text.assemble("      ", (will, ERROR if will.startswith("will fault") else WORDS)))
    else:
        rows.append(Text.assemble(("next  ", DIM), ("no instruction can be read at rip", ERROR)))
    if view.said:
        rows.append(Text(f"  {view.said}", style="bold"))
    wrapped = [part for row in rows for part in _wrapped(row, width)]
    return lines(wrapped, width, height)


@cache
def _console() -> Console:
    return Console(color_system=None)


def _wrapped(row: Text, width: int) -> list[Text]:
    if len(row) <= width:
        return [row]
    parts = list(row.wrap(_console(), max(10, width - 6)))
    return [part if number == 0 else Text("      ").append_text(part) for number, part in enumerate(parts)]


# -- registers ---------------------------------------------------------------------------------------------------


def registers(view: View, width: int, height: int) -> Text:
    """Values, those that changed highlighted; with room for it what each value means; and the flags by name."""
    now, old = view.now, view.before
    names = _ALL if now.bits == 64 else _ALL[:8]
    changed = {
        name for name in (*names, "rip") if old is not None and old.registers[name] != now.registers[name]
    }
    if height >= len(names) + 3:
        rows = [_register(view, name, name in changed, width) for name in (*names, "rip")]
    else:
        digits = now.bits // 4
        halves = zip(names[: len(names) // 2], names[len(names) // 2 :], strict=True)
        rows = [
            Text("  ").join(_value(now, name, name in changed, digits) for name in pair) for pair in halves
        ]
        rows.append(_register(view, "rip", "rip" in changed, width))
    return lines([*rows, *_flags(now, old)], width, height)


def _value(now: Sight, name: str, changed: bool, digits: int) -> Text:
    shown = name if now.bits == 64 else "e" + name[1:]
    value = f"{now.registers[name] & (1 << now.bits) - 1:0{digits}x}"
    return Text.assemble((f"{shown:<4}", DIM), (value, CHANGED if changed else ""))


def _register(view: View, name: str, changed: bool, width: int) -> Text:
    line = _value(view.now, name, changed, view.now.bits // 4)
    meaning = means(view.now.registers[name] & (1 << view.now.bits) - 1, view)
    return line.append(f"  {meaning}", style=WORDS)


def _flags(now: Sight, old: Sight | None) -> list[Text]:
    values = flags.decode(now.registers["rflags"])
    before = values if old is None else flags.decode(old.registers["rflags"])
    line = Text()
    for name, value in values.items():
        style = CHANGED if value != before[name] else "bold" if value else DIM
        line.append(f"{name}={int(value)} ", style=style)
    words = ", ".join(flags.MEANING[name] for name in ("ZF", "SF", "CF", "OF") if values[name])
    return [line, Text(words, style=WORDS)]


def means(value: int, view: View) -> str:
    """A value as a number, a character, or the place that it is the address of."""
    name = view.places.name(value)
    if name:
        return f"→ {name}"
    area = next((each for each in view.now.surroundings.areas if each.start <= value < each.end), None)
    if area is not None:
        shown = area.name.rpartition("/")[2] or "anonymous memory"
        return f"→ {shown}+{value - area.start:#x}"
    if value >> 63 and (1 << 64) - value < 1 << 32:
        return f"{value - (1 << 64)}"
    text = f" {chr(value)!r}" if 32 < value < 127 else ""
    return f"{value}{text}" if value < 1 << 40 else ""


# -- memory ------------------------------------------------------------------------------------------------------


def stack(view: View, width: int, height: int) -> Text:
    """Words from the stack pointer upwards, with what they mean."""
    now, size = view.now, view.now.bits // 8
    old = _old_words(view)
    rows = []
    for index, word in enumerate(now.surroundings.stack[:height]):
        address = now.registers["rsp"] + index * size
        offset = f"{'rsp' if now.bits == 64 else 'esp'}+{index * size:<4x}"
        head = Text.assemble((offset, "bold" if not index else DIM))
        if word is None:
            rows.append(head.append(" can't be read", style=DIM))
            break
        style = CHANGED if old.get(address, word) != word else ""
        head.append(f" {word:0{size * 2}x}", style=style)
        rows.append(head.append(f"  {means(word, view)}", style=WORDS))
    return lines(rows, width, height)


def _old_words(view: View) -> dict[int, int | None]:
    if view.before is None:
        return {}
    size, top = view.before.bits // 8, view.before.registers["rsp"]
    return {top + index * size: word for index, word in enumerate(view.before.surroundings.stack)}


def memory(view: View, width: int, height: int) -> Text:
    """Bytes of the watched memory, those that changed highlighted, and the characters that they stand for."""
    around = view.now.surroundings
    old = view.before.surroundings if view.before is not None else None
    comparable = old is not None and old.watched == around.watched
    per_row = 16 if width >= 16 * 4 + 14 else 8
    rows = []
    for index, block in enumerate(around.memory[:height]):
        for part in range(0, 16, per_row):
            data = None if block is None else block[part : part + per_row]
            before = old.memory[index] if comparable and old is not None else None
            changed = None if before is None else before[part : part + per_row]
            rows.append(_bytes(around.watched + index * 16 + part, data, changed))
    return lines(rows, width, height)


def _bytes(address: int, data: bytes | None, old: bytes | None) -> Text:
    line = Text.assemble((f"{address:08x} ", DIM))
    if data is None:
        return line.append(" can't be read", style=DIM)
    for index, byte in enumerate(data):
        changed = old is not None and old[index] != byte
        line.append(f" {byte:02x}", style=CHANGED if changed else DIM if not byte else "")
    return line.append("  " + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data), style=WORDS)


def areas(view: View, width: int, height: int) -> Text:
    """The memory map; in front of each area the registers that point into it."""
    rows: list[Text] = []
    marked = 0
    for area in view.now.surroundings.areas:
        here = [name for name in ("rip", "rsp") if area.start <= view.now.registers[name] < area.end]
        if area.start <= view.now.surroundings.watched < area.end:
            here.append("mem")
        marked = len(rows) if "rip" in here else marked
        name = area.name if len(area.name) < 24 else "…" + area.name[-22:]
        text = f"{area.start:012x}-{area.end:012x} {area.permissions} {name}"
        line = Text.assemble((f"{' '.join(here):<7} ", "bold"))
        rows.append(line.append(text, style="bold" if here else ""))
    first = max(0, min(marked - height // 2, len(rows) - height))
    return lines(rows[first:], width, height)


# -- what goes in and out ----------------------------------------------------------------------------------------


def output(view: View, width: int, height: int) -> Text:
    """What was printed, errors in red; the last line says what of the input is left."""
    text = Text()
    for descriptor, data in view.now.output:
        text.append(visible(data), style=ERROR if descriptor == 2 else "")
    drawn = [part for row in text.split("\n", allow_blank=False) for part in _wrapped_hard(row, width)]
    room = max(0, height - 1)
    return lines([*drawn[len(drawn) - room if len(drawn) > room else 0 :], _input(view)], width, height)


def _wrapped_hard(row: Text, width: int) -> Sequence[Text]:
    return [row] if len(row) <= width else list(row.divide(range(width, len(row), width)))


def _input(view: View) -> Text:
    given, taken = view.now.given, view.now.taken
    rest = visible(given[taken : taken + 40]).replace("\n", "\\n")
    left = f"left: {rest}" if rest else "nothing is left"
    return Text(f"stdin: {taken} of {len(given)} bytes read, {left}", style=DIM)


def calls(view: View, width: int, height: int) -> Text:
    """The last system calls and signals, as strace prints them."""
    shown = view.now.calls[-height:] if height > 0 else ()
    return lines(
        (Text(" ".join(each.split("  "))) if len(each) > width else Text(each) for each in shown),
        width,
        height,
    )


def headline(view: View) -> str:
    """Where the run is: steps, place, thread."""
    now = view.now
    place = view.places.location(now.registers["rip"]) or view.places.name(now.registers["rip"])
    parts = [f"after {now.position:,} instructions", place, now.thread, "ended" if now.ended else ""]
    return " · ".join(filter(None, parts))
