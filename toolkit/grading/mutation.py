"""Small mistakes made by machine: every one-change mutant of a source.

| kind | change |
|---|---|
| instruction dropped | an instruction is left out, its label stays |
| operands swapped | the two operands change places |
| condition negated | a jump, setcc or cmovcc gets the opposite condition |
| constant | a number is one larger, or one smaller |
| size | a size word, or a 64-bit register, becomes another size |
| register | a register becomes another one of its size |
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

_FAMILIES = (
    ("rax", "eax", "ax", "al"), ("rbx", "ebx", "bx", "bl"), ("rcx", "ecx", "cx", "cl"), ("rdx", "edx", "dx", "dl"),
    ("rsi", "esi", "si", "sil"), ("rdi", "edi", "di", "dil"), ("rbp", "ebp", "bp", "bpl"), ("rsp", "esp", "sp", "spl"),
    *((f"r{n}", f"r{n}d", f"r{n}w", f"r{n}b") for n in range(8, 16)),
)  # fmt: skip
_PLACE = {name: (row, size) for row, family in enumerate(_FAMILIES) for size, name in enumerate(family)}
_REGISTER = re.compile(r"\b(?:" + "|".join(sorted(_PLACE, key=len, reverse=True)) + r")\b")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`(?:\\.|[^`\\])*`")
_NUMBER = re.compile(r"(?<![\w$.%])(?:0x[0-9a-fA-F]+|0b[01]+|0o[0-7]+|\d+)\b")
_SIZE_WORD = re.compile(r"\b(?:byte|word|dword|qword)\b")
_OTHER_SIZE = {"byte": "word", "word": "dword", "dword": "qword", "qword": "dword"}
_CONDITIONS = frozenset(
    [
        "o",
        "no",
        "b",
        "nb",
        "c",
        "nc",
        "ae",
        "nae",
        "z",
        "nz",
        "e",
        "ne",
        "be",
        "nbe",
        "a",
        "na",
        "s",
        "ns",
        "p",
        "np",
        "l",
        "nl",
        "ge",
        "nge",
        "le",
        "nle",
        "g",
        "ng",
    ]
)
_CONDITIONAL = re.compile(r"(j|set|cmov)([a-z]+)")
_DATA = re.compile(r"(?:d[bwdqtoyz]|res[bwdqtoyz]|equ|times|align|alignb)$")
_DIRECTIVE = re.compile(
    r"(?:section|segment|global|extern|default|bits|struc|endstruc|istruc|iend|at|absolute|incbin|common|static)$"
)
_LABEL = re.compile(r"\s*[\w.$@?#~]+:\s*")


@dataclass(frozen=True)
class Mutation:
    """One change: on ``line`` (from 0), ``before`` becomes ``after`` (empty: left out), both without comments."""

    kind: str
    line: int
    before: str
    after: str

    def diff(self) -> str:
        """The change as a reader is shown it; ``line`` counts from 1 there."""
        return f"line {self.line + 1} ({self.kind})\n  - {self.before.strip()}\n  + {self.after.strip() or '(left out)'}"

    @property
    def change(self) -> tuple[str, str]:
        """The line before and after, without indentation."""
        return self.before.strip(), self.after.strip()

    def apply(self, source: str) -> str:
        """The source with the change."""
        lines = source.split("\n")
        lines[self.line] = self.after
        return "\n".join(lines)


def mutations(source: str, given: str = "") -> Iterator[Mutation]:
    """Every mutation of a source, in the order of its lines; lines that are in ``given`` (the starter) too are left alone."""
    codes = [_code(line) for line in source.split("\n")]
    matcher = SequenceMatcher(None, [_code(line) for line in given.split("\n")], codes, autojunk=False)
    kept = {block.b + index for block in matcher.get_matching_blocks() for index in range(block.size)}
    for number, code in enumerate(codes):
        if number in kept:
            continue
        seen = {code}
        for kind, after in _changes(code):
            if after not in seen:
                seen.add(after)
                yield Mutation(kind, number, code, after)


def full_register(name: str) -> str:
    """The 64-bit register that a register is part of; any other name as it is."""
    return _FAMILIES[_PLACE[name][0]][0] if name in _PLACE else name


def _code(line: str) -> str:
    """The line without its comment."""
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), line)
    return line[: hidden.index(";")].rstrip() if ";" in hidden else line.rstrip()


def _changes(code: str) -> Iterator[tuple[str, str]]:
    label = _LABEL.match(code)
    start = label.end() if label else len(code) - len(code.lstrip())
    head, body = code[:start], code[start:]
    mnemonic, _, rest = body.partition(" ")
    if not mnemonic or mnemonic[0] in "%[" or _DIRECTIVE.match(mnemonic):
        return
    if _DATA.match(mnemonic) or re.match(r"\S+\s+equ\b", body):
        yield from (("constant", head + text) for text in _constants(body))
        return
    yield "instruction dropped", head.rstrip()
    operands = _operands(rest)
    if len(operands) == 2:
        yield "operands swapped", f"{head}{mnemonic} {operands[1]}, {operands[0]}"
    opposite = negate(mnemonic)
    if opposite is not None:
        yield "condition negated", f"{head}{opposite} {rest}"
    yield from (("constant", f"{head}{mnemonic} {text}") for text in _constants(rest))
    yield from ((kind, f"{head}{mnemonic} {text}") for kind, text in _registers_and_sizes(rest))


def negate(mnemonic: str) -> str | None:
    """The instruction with the opposite condition, None for one that has no condition."""
    found = _CONDITIONAL.fullmatch(mnemonic)
    if found is None or found[2] not in _CONDITIONS:
        return None
    condition = found[2]
    return found[1] + (condition[1:] if condition.startswith("n") else "n" + condition)


def _operands(rest: str) -> list[str]:
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), rest)
    hidden = re.sub(r"\[[^\]]*\]", lambda bracket: "x" * len(bracket[0]), hidden)
    cuts = [-1, *(index for index, character in enumerate(hidden) if character == ","), len(rest)]
    parts = [rest[start + 1 : end].strip() for start, end in pairwise(cuts)]
    return [part for part in parts if part]


def _constants(text: str) -> Iterator[str]:
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), text)
    for found in _NUMBER.finditer(hidden):
        value = int(found[0], 0) if not found[0].isdecimal() else int(found[0])
        for other in (value + 1, value - 1):
            if other >= 0:
                yield f"{text[: found.start()]}{other}{text[found.end() :]}"


def _registers_and_sizes(rest: str) -> Iterator[tuple[str, str]]:
    for found in _SIZE_WORD.finditer(rest):
        yield "size", rest[: found.start()] + _OTHER_SIZE[found[0]] + rest[found.end() :]
    for found in _REGISTER.finditer(rest):
        row, size = _PLACE[found[0]]
        head, tail = rest[: found.start()], rest[found.end() :]
        yield "register", head + _FAMILIES[(row + 1) % len(_FAMILIES)][size] + tail
        if size == 0:
            yield "size", head + _FAMILIES[row][1] + tail
