"""The code part of a form, ``rvm:fv: evex.nds.512.66.0f.w1 58 /r``, as steps the encoder carries out.

The letters before the colon name each operand's place: r the reg field, m the r/m field, v the VEX register, i and j
immediates, s the register in an immediate's upper half, x a separate index register, ``-`` none, ``+`` "the operand
before once more". The language is documented at the top of nasm's assemble.c and in x86/insns.pl.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words that carry no information for an assembler, or are read elsewhere (flags of the form).
_IGNORED = frozenset(
    ("odf", "adf", "norexb", "norexx", "norexr", "norexw", "nof3", "norep", "repe", "np", "!osp", "!asp")
)
IMMEDIATES = frozenset(("ib", "ib,u", "ib,s", "iw", "iwd", "id", "id,s", "iwdq", "iq"))
RELATIVES = frozenset(("rel8", "rel"))
_PREFIXES = {"66": 0x66, "f2": 0xF2, "f3": 0xF3, "f2i": 0xF2, "f3i": 0xF3}
_HLE = frozenset(("hle", "hlenl", "hlexr"))
_SIMPLE = frozenset(
    (
        "o16",
        "o32",
        "o64",
        "o64nw",
        "a16",
        "a32",
        "a64",
        "nohi",
        "rex.l",
        "mustrep",
        "mustrepne",
        "wait",
        "jcc8",
        "jmp8",
        "jlen",
    )
)
_VSIB = {
    name + letter: letter
    for name in ("vsib", "vm32", "vm64")
    for letter in "xyz"
    if name != "vsib" or letter in "xyz"
}
_LENGTHS = {
    "128": 0,
    "l0": 0,
    "lz": 0,
    "lig": 0,
    "256": 1,
    "l1": 1,
    "512": 2,
    "l2": 2,
}
_MAPS = {"0f": 1, "0f38": 2, "0f3a": 3}
_OPCODE_PREFIXES = {"np": 0, "p0": 0, "66": 1, "p1": 1, "f3": 2, "p2": 2, "f2": 3, "p3": 3}
_W = {"w0": "0", "w1": "1", "wig": "ignored", "ww": "rex"}


@dataclass(frozen=True, slots=True)
class VectorPrefix:
    """A VEX, XOP or EVEX prefix. ``w`` is "0", "1", "ignored" or "rex" (as REX.W); ``register`` the operand in its V field."""

    kind: str
    map: int
    length: int
    prefix: int
    w: str
    register: int | None
    tuple_type: str


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction to the encoder. ``kind`` is a word of the code language or one of: bytes, prefix (an opcode prefix
    byte), add (opcode plus register), modrm (reg field from ``second``), digit (reg field is ``value``), is4, vector, hle.

    ``operand`` and ``second`` are operand positions in the form; ``value`` a number; ``data`` literal bytes.
    """

    kind: str
    operand: int = -1
    second: int = -1
    value: int = 0
    data: bytes = b""
    vector: VectorPrefix | None = None


def parse_codes(text: str) -> tuple[Step, ...]:
    """The steps of a code string without its brackets. Raises ValueError for a word the language does not have."""
    roles, tuple_type, words = "", "", text
    match = re.match(r"([-+a-z]+):([a-z0-9]*):?\s*(.*)$", text)
    if match:
        roles, tuple_type, words = match.groups()
    return tuple(_Parser(_places(roles), tuple_type).parse(words.lower().split()))


def _places(roles: str) -> dict[str, int]:
    places: dict[str, int] = {}
    position = 0
    for letter in roles:
        if letter == "+":
            position -= 1
        else:
            places[letter] = position
            position += 1
    return places


class _Parser:
    def __init__(self, places: dict[str, int], tuple_type: str) -> None:
        self.places = places
        self.tuple_type = tuple_type
        self.prefixes_over = False
        self.immediates = iter("ij")
        self.steps: list[Step] = []

    def parse(self, words: list[str]) -> list[Step]:
        for word in words:
            if word not in _IGNORED:
                self._word(word)
        return self.steps

    def _word(self, word: str) -> None:
        if word in _SIMPLE:
            self.steps.append(Step(word))
        elif word in _HLE:
            self.steps.append(Step("hle", value={"hlexr": 1, "hlenl": 2, "hle": 3}[word]))
        elif word in _VSIB:
            self.steps.append(Step("vsib", data=_VSIB[word].encode()))
        elif word in _PREFIXES and (not self.prefixes_over or word.endswith("i")):
            self.steps.append(Step("prefix", data=bytes([_PREFIXES[word]])))
        else:
            self.prefixes_over = True
            self._opcode_word(word)

    def _opcode_word(self, word: str) -> None:
        if re.fullmatch(r"[0-9a-f]{2}", word):
            self._literal(int(word, 16))
        elif word in IMMEDIATES or word in RELATIVES:
            self.last_immediate = self.places[next(self.immediates)]
            self.steps.append(Step(word, operand=self.last_immediate))
        elif word == "seg":
            self.steps.append(Step(word, operand=self.last_immediate))
        elif word == "/r":
            index = self.places.get("x", -1)
            self.steps.append(Step("modrm", self.places["m"], self.places["r"], value=index))
        elif re.fullmatch(r"/[0-7]", word):
            self.steps.append(Step("digit", self.places["m"], value=int(word[1])))
        elif word.startswith("/is4"):
            self.steps.append(Step("is4", self.places["s"], self.places.get("i", -1)))
        else:
            self._special_word(word)

    def _special_word(self, word: str) -> None:
        if match := re.fullmatch(r"/([0-3]?)r([0-7])", word):
            fixed = int(match[1] or 0) << 6 | int(match[2])
            self.steps.append(Step("fixed-modrm", self.places["r"], value=fixed))
        elif match := re.fullmatch(r"([0-9a-f]{2})\+r", word):
            self.steps.append(Step("add", self.places["r"], value=int(match[1], 16)))
        elif word.startswith(("vex", "xop", "evex")):
            self.steps.append(Step("vector", vector=self._vector(word)))
        else:
            raise ValueError(f"unknown word {word!r} in an instruction's code")

    def _literal(self, byte: int) -> None:
        if self.steps and self.steps[-1].kind == "bytes":
            byte_string = self.steps.pop().data + bytes([byte])
        else:
            byte_string = bytes([byte])
        self.steps.append(Step("bytes", data=byte_string))

    def _vector(self, word: str) -> VectorPrefix:
        kind, *parts = word.split(".")
        map_number = length = prefix = 0
        w = "ignored"
        for part in parts:
            if part in _LENGTHS:
                length = _LENGTHS[part]
            elif part in _W:
                w = _W[part]
            elif part in _OPCODE_PREFIXES:
                prefix = _OPCODE_PREFIXES[part]
            elif part in _MAPS:
                map_number = _MAPS[part]
            elif match := re.fullmatch(r"m(?:ap)?(\d+)", part):
                map_number = int(match[1])
            elif part not in ("nds", "ndd", "dds"):
                raise ValueError(f"unknown part {part!r} in {word!r}")
        register = self.places.get("v")
        return VectorPrefix(kind, map_number, length, prefix, w, register, self.tuple_type)
