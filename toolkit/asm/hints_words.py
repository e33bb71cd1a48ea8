"""Words a beginner mixes up: names of registers and instructions, habits of other assemblers, and the nearest name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

COMMON_MNEMONICS = [
    "mov",
    "lea",
    "add",
    "sub",
    "imul",
    "mul",
    "idiv",
    "div",
    "inc",
    "dec",
    "neg",
    "not",
    "and",
    "or",
    "xor",
    "cmp",
    "test",
    "jmp",
    "je",
    "jne",
    "jz",
    "jnz",
    "jg",
    "jge",
    "jl",
    "jle",
    "ja",
    "jae",
    "jb",
    "jbe",
    "js",
    "jns",
    "jo",
    "jno",
    "jc",
    "jnc",
    "call",
    "ret",
    "push",
    "pop",
    "syscall",
    "int",
    "nop",
    "loop",
    "xchg",
    "movzx",
    "movsx",
    "movsxd",
    "cqo",
    "cdq",
    "cdqe",
    "shl",
    "shr",
    "sal",
    "sar",
    "rol",
    "ror",
    "leave",
    "enter",
    "hlt",
    "bt",
    "bts",
    "btr",
    "btc",
    "bsf",
    "bsr",
    "bswap",
    "popcnt",
    "sete",
    "setne",
    "setz",
    "setnz",
    "setg",
    "setl",
    "seta",
    "setb",
    "cmove",
    "cmovne",
    "cmovz",
    "cmovnz",
    "cmovg",
    "cmovl",
    "movsb",
    "movsw",
    "movsd",
    "movsq",
    "stosb",
    "stosd",
    "stosq",
    "lodsb",
    "lodsq",
    "scasb",
    "cmpsb",
    "rep",
    "repe",
    "repne",
    "movd",
    "movq",
    "movaps",
    "movups",
    "movss",
    "addss",
    "addsd",
    "subsd",
    "mulsd",
    "divsd",
    "cvtsi2sd",
    "cvttsd2si",
    "pxor",
    "xorps",
    "ud2",
    "cpuid",
    "rdtsc",
    "pushfq",
    "popfq",
    "cld",
    "std",
    "clc",
    "stc",
    "adc",
    "sbb",
    "lock",
    "endbr64",
]
DIRECTIVES = [
    "section",
    "segment",
    "global",
    "extern",
    "bits",
    "default",
    "db",
    "dw",
    "dd",
    "dq",
    "dt",
    "do",
    "dy",
    "dz",
    "resb",
    "resw",
    "resd",
    "resq",
    "resz",
    "equ",
    "times",
    "align",
    "alignb",
    "incbin",
    "common",
    "static",
    "struc",
    "endstruc",
    "istruc",
    "iend",
    "at",
    "absolute",
    "org",
    "cpu",
    "float",
    "use64",
    "use32",
    "use16",
    "%include",
    "%define",
    "%macro",
    "%endmacro",
    "%if",
    "%else",
    "%elif",
    "%endif",
    "%ifdef",
    "%ifndef",
    "%rep",
    "%endrep",
    "%assign",
    "%undef",
    "%error",
]
_COUNTED = [f"r{n}{suffix}" for n in range(8, 16) for suffix in ("", "d", "w", "b")]
_REGISTER_SIZES: dict[str, int] = {
    **dict.fromkeys(["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh", "spl", "bpl", "sil", "dil"], 1),
    **dict.fromkeys(["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"], 2),
    **dict.fromkeys(["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"], 4),
    **dict.fromkeys(["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"], 8),
    **{name: {"b": 1, "w": 2, "d": 4}.get(name[-1], 8) for name in _COUNTED},
}
GENERAL_REGISTERS = tuple(_REGISTER_SIZES)
SEGMENT_REGISTERS = frozenset(["cs", "ds", "es", "fs", "gs", "ss"])
VECTOR_REGISTERS = {f"{p}mm{n}": size for p, size in (("x", 16), ("y", 32), ("z", 64)) for n in range(32)}
SIZE_WORDS = {
    "byte": 1, "word": 2, "dword": 4, "qword": 8, "tword": 10, "oword": 16, "xmmword": 16, "yword": 32, "zword": 64,
}  # fmt: skip
SIZE_NAMES = {1: "byte", 2: "word", 4: "dword", 8: "qword", 16: "oword"}
_FAMILIES = [
    (f"r{n}", f"e{n}", n, n[0] + "l" if n.endswith("x") else n + "l")
    for n in ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"]
] + [(f"r{n}", f"r{n}d", f"r{n}w", f"r{n}b") for n in range(8, 16)]
_BY_NAME = {name: family for family in _FAMILIES for name in family} | {
    f"{letter}h": _FAMILIES[i] for i, letter in enumerate("acdb")
}


def register_size(name: str) -> int:
    """The size in bytes of a general register; 0 for anything else."""
    return _REGISTER_SIZES.get(name.lower(), 0)


def resized(register: str, size: int) -> str:
    """The name of the part of a general register that has ``size`` bytes (``ebx``, 8 → ``rbx``)."""
    family = _BY_NAME.get(register.lower())
    return family[{8: 0, 4: 1, 2: 2, 1: 3}[size]] if family and size in (1, 2, 4, 8) else register


def free_register(text: str, candidates: Iterable[str] = ("rax", "rcx", "rdx", "rsi")) -> str:
    """A 64-bit register that ``text`` doesn't mention in any width, for an example."""
    words = {w.lower() for w in re.findall(r"\w+", text)}
    for name in candidates:
        if not words.intersection(_BY_NAME[name]):
            return name
    return "r11"


def is_register(word: str) -> bool:
    """Whether the word names any register a student is likely to use."""
    word = word.lower()
    return (
        word in _REGISTER_SIZES
        or word in SEGMENT_REGISTERS
        or word in VECTOR_REGISTERS
        or bool(re.fullmatch(r"(st|mm)[0-7]|cr[0-8]|dr[0-7]|k[0-7]|rip|eip|ip|rflags|eflags", word))
    )


def distance(left: str, right: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap neighbours) from one word to the other; ``limit + 1`` when more are needed."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (a != b))
            if before and i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return previous[-1]


@lru_cache(maxsize=1 << 14)
def _letters(word: str) -> tuple[str, int]:
    """The word in lower case, and its characters as a set of bits: one edit takes away one bit at most, and adds one."""
    low = word.lower()
    bits = 0
    for character in low:
        bits |= 1 << (ord(character) & 63)
    return low, bits


def nearest(word: str, *groups: Iterable[str]) -> str | None:
    """The candidate closest in spelling, letter case aside; at equal distance the earlier group wins. None if all are far."""
    low, letters = _letters(word[:64])
    best: str | None = None
    limit = 1 if len(low) <= 5 else 2 if len(low) <= 8 else 3
    limit = min(limit, len(low) - 1)
    for group in groups:
        for candidate in group:
            other, bits = _letters(candidate)
            if (letters & ~bits).bit_count() > limit or (bits & ~letters).bit_count() > limit:
                continue
            if candidate == word:
                continue
            edits = distance(low, other, limit)
            if edits <= limit:
                best, limit = candidate, edits - 1
    return best


@dataclass(frozen=True, slots=True)
class Operand:
    """One written operand. ``kind``: register, vector, segment, memory, number, string, name, at&t, expression or empty."""

    text: str
    kind: str
    size: int = 0  # bytes: of the register, or of the size word before a bracket

    @property
    def described(self) -> str:
        """In words, for a sentence."""
        return {
            "register": f"the {self.size * 8}-bit register {self.text}",
            "vector": f"the vector register {self.text}",
            "segment": f"the segment register {self.text}",
            "memory": f"memory at {self.text}",
            "number": f"the number {self.text}",
            "string": f"the string {self.text}",
        }.get(self.kind, f"`{self.text}'")


@dataclass(frozen=True, slots=True)
class Written:
    """A source line taken apart without judging it: label, first word, operands, and whether a colon follows the label."""

    text: str
    label: str
    mnemonic: str
    operands: tuple[Operand, ...]
    rest: str


_LINE = re.compile(
    r"\s*(?:(?P<label>[\w.$@?~#]+)\s*:(?!:))?\s*(?:(?:rep(?:n?[ez])?|lock)\s+)?(?P<word>[^\s\[\"'(,]*)\s*(?P<rest>.*)",
    re.S | re.I,
)
_SIZED = re.compile(r"(?:strict\s+)?(byte|word|dword|qword|tword|oword|yword|zword)\b\s*(?:ptr\b\s*)?", re.I)
_NUMBER = re.compile(r"[-+~]?\s*(\d[\w.]*|\$[0-9][0-9a-fA-F]*|'[^']{1,8}')$")
_DATA_WORDS = re.compile(r"(d[bwdqtoyz]|res[bwdqtoyz]|equ|times|incbin)$", re.I)


def without_comment(line: str) -> str:
    """The line up to its ``;``, strings respected."""
    if ";" not in line:
        return line.rstrip()
    for found in re.finditer(r"'[^']*'|\"[^\"]*\"|`(?:[^`\\]|\\.)*`|(;)", line):
        if found.group(1):
            return line[: found.start()].rstrip()
    return line.rstrip()


def split_operands(text: str) -> list[str]:
    """Cut at commas outside brackets and strings."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        if character in "'\"`":
            close = text.find(character, position + 1)
            position = len(text) if close < 0 else close
        elif character in "[({":
            depth += 1
        elif character in "])}":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    parts.append(text[start:].strip())
    return parts


def operand(text: str) -> Operand:
    """Classify one operand as written."""
    low = text.lower()
    if not text:
        return Operand(text, "empty")
    if re.match(r"[-+\w.]*\(\s*%|[%$][-\w]|\*%", text) and not re.fullmatch(
        r"\$[0-9][0-9a-fA-F]*|\$\$?", text
    ):
        return Operand(text, "at&t")
    if is_register(low):
        if low in SEGMENT_REGISTERS:
            return Operand(text, "segment", 2)
        if low in VECTOR_REGISTERS:
            return Operand(text, "vector", VECTOR_REGISTERS[low])
        return Operand(text, "register" if register_size(low) else "special", register_size(low))
    sized = _SIZED.match(text)
    size = SIZE_WORDS.get(sized.group(1).lower(), 0) if sized else 0
    bare = text[sized.end() :] if sized else text
    if bare.startswith("["):
        return Operand(text, "memory", size)
    if _NUMBER.match(bare):
        return Operand(text, "number", size)
    if bare[:1] in "\"'`" and bare:
        return Operand(text, "string", size)
    if re.fullmatch(r"[\w.$@?~#]+", bare):
        return Operand(text, "name", size)
    return Operand(text, "expression", size)


def take_apart(line: str) -> Written:
    """The parts of a source line, as far as they can be told."""
    text = without_comment(line)
    found = _LINE.match(text)
    assert found is not None, "every part of the pattern is optional"
    label, word, rest = found.group("label") or "", found.group("word"), found.group("rest").strip()
    follows = re.match(r"(d[bwdqtoyz]|res[bwdqtoyz]|equ|times)\b\s*(.*)", rest, re.I)
    if not label and follows and not _DATA_WORDS.match(word):
        label, word, rest = word, follows.group(1), follows.group(2)
    operands = tuple(operand(part) for part in split_operands(rest)) if rest else ()
    return Written(text, label, word, operands, rest)


@dataclass(frozen=True, slots=True)
class Context:
    """What an explanation may draw on besides the line: the program's labels and macros, BITS, legal forms as text, and
    whether a macro made the line."""

    symbols: Collection[str] = ()
    macros: Collection[str] = ()
    bits: int = 64
    forms: tuple[str, ...] = ()
    in_macro: bool = False


Explanation = tuple[str, str]  # (message, help)
