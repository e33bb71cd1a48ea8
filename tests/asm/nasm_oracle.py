"""Ask the real nasm what it makes of many instructions at once, and print ``Instruction`` objects as nasm source."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.asm.statement import (
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    Operand,
    RegisterOperand,
    Value,
)

_SIZES = {
    0: "",
    1: "byte ",
    2: "word ",
    4: "dword ",
    8: "qword ",
    10: "tword ",
    16: "oword ",
    32: "yword ",
    64: "zword ",
}
_LISTING = re.compile(r"^ *(\d+) ([0-9A-F]{8}) ([^ ]+)")
_MESSAGE = re.compile(r"^[^:]*:(\d+): (error|warning|fatal|panic): (.*)$")
_PANIC = re.compile(r"^(panic): [^:]*:(\d+): (.*)$")


@dataclass
class Verdict:
    """What nasm made of one line: its bytes, or its first error; and its warnings."""

    data: bytes | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()


def ask_nasm(lines: Sequence[str], bits: int, header: str = "", options: Sequence[str] = ()) -> list[Verdict]:
    """Assemble each line on its own merits, thousands in one process; ``header`` is one line put before them."""
    verdicts = [Verdict() for _ in lines]
    current = [f"bits {bits}", header, *lines]
    with tempfile.TemporaryDirectory() as folder:
        while True:
            output, messages = _run(current, Path(folder), options)
            failed = False
            for number, kind, text in messages:
                if number < 3:
                    raise AssertionError(f"nasm on the header: {text}")
                verdict = verdicts[number - 3]
                if kind == "warning":
                    verdict.warnings = (*verdict.warnings, text)
                elif current[number - 1]:
                    verdict.error = verdict.error or text
                    failed = True
            for number, verdict in enumerate(verdicts, 3):
                if verdict.error:
                    current[number - 1] = ""
            if not failed:
                break
            for verdict in verdicts:
                verdict.warnings = verdict.warnings if verdict.error else ()
    for verdict, data in zip(verdicts, _bytes_of_lines(output, len(current))[2:], strict=True):
        verdict.data = None if verdict.error else data
    return verdicts


def _run(lines: list[str], folder: Path, options: Sequence[str]) -> tuple[str, list[tuple[int, str, str]]]:
    source, listing = folder / "lines.asm", folder / "lines.lst"
    source.write_text("\n".join(lines) + "\n")
    listing.unlink(missing_ok=True)
    command = [
        "nasm",
        "-w+all",
        "-w-reloc",
        "-f",
        "bin",
        *options,
        "-l",
        str(listing),
        "-o",
        str(folder / "lines.bin"),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    messages = []
    for line in done.stderr.splitlines():
        if match := _MESSAGE.match(line):
            messages.append((int(match[1]), match[2], match[3]))
        elif match := _PANIC.match(line):
            messages.append((int(match[2]), match[1], f"panic: {match[3]}"))
        elif "error" in line or "panic" in line or "fatal" in line:
            raise AssertionError(line)
    if done.returncode and not any(kind != "warning" for _, kind, _ in messages):
        raise AssertionError(done.stderr[:2000] or f"nasm ended with {done.returncode}")
    return (listing.read_text() if listing.exists() else ""), messages


def _bytes_of_lines(listing: str, count: int) -> list[bytes]:
    found = [bytearray() for _ in range(count + 1)]
    for line in listing.splitlines():
        if match := _LISTING.match(line):
            found[int(match[1])] += bytes.fromhex(re.sub(r"[^0-9A-F]", "", match[3]))
    return [bytes(data) for data in found[1:]]


def print_instruction(instruction: Instruction) -> str:
    """The instruction as a line of nasm source."""
    words = [*instruction.prefixes, instruction.mnemonic]
    operands = [print_operand(operand) for operand in instruction.operands]
    if instruction.decorators:
        position = instruction.decorated_operand
        place = len(operands) if position is None else position + 1
        operands[place:place] = [" ".join(instruction.decorators)]
    return " ".join(words) + " " + ", ".join(operands)


def print_operand(operand: Operand) -> str:
    if isinstance(operand, RegisterOperand):
        text = ("to " if operand.to else "") + _SIZES[operand.size] + operand.name
        text += f"+{operand.set_size - 1}" if operand.set_size else ""
        return text + _decorators(operand)
    distance = f"{operand.distance} " if operand.distance else ""
    head = _SIZES[operand.size] + distance + ("strict " if operand.strict else "")
    if isinstance(operand, ImmediateOperand):
        text = print_value(operand.value)
        if operand.segment is None:
            return head + text
        return f"{distance}{_SIZES[operand.segment_size]}{print_value(operand.segment)}:{_SIZES[operand.size]}{text}"
    return head + _print_memory(operand) + _decorators(operand)


def _decorators(operand: RegisterOperand | MemoryOperand) -> str:
    text = f"{{1to{operand.broadcast}}}" if isinstance(operand, MemoryOperand) and operand.broadcast else ""
    return text + (f"{{{operand.opmask}}}" if operand.opmask else "") + ("{z}" if operand.zeroing else "")


def _print_memory(operand: MemoryOperand) -> str:
    words = ""
    if operand.address_size:
        words += f"a{operand.address_size} "
    words += _SIZES[operand.displacement_size]
    words += "nosplit " if operand.no_split else ""
    if operand.relative is not None:
        words += "rel " if operand.relative else "abs "
    segment = f"{operand.segment_override}:" if operand.segment_override else ""
    index = "," + print_value(operand.split_index) if operand.split_index else ""
    return f"[{words}{segment}{_ordered(operand)}{index}]"


def _ordered(operand: MemoryOperand) -> str:
    """The terms so that nasm gets the same hints: the hinted register first, with ``*1`` where it is marked as no base."""
    first = operand.hint_base or operand.hint_not_base
    terms = sorted(operand.value.terms, key=lambda term: term[0] != first)
    parts = []
    for base, coefficient in terms:
        explicit = coefficient != 1 or base == operand.hint_not_base
        parts.append(f"{base}*{coefficient}" if explicit else str(base))
    if operand.value.constant or not parts:
        parts.append(print_value(Value(operand.value.constant)))
    return "+".join(parts)


def print_value(value: Value) -> str:
    if value.terms:
        inner = "+".join(f"{base}*{n}" if n != 1 else str(base) for base, n in value.terms)
        return inner + (f"+{value.constant}" if value.constant else "")
    return hex(value.constant) if value.constant >= 0 else f"-{hex(-value.constant)}"
