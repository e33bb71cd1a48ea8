"""A grammar of harmless instructions, as one regular expression.

Every new block of code must be searched for the few instructions that the engine does not treat as a CPU
would. Decoding each with Capstone costs about 25 µs; matching it against this expression costs about 1 µs, and
most blocks hold nothing else. The grammar only needs to be *sound*: what it accepts is plain instructions from
the first byte to the last (opcode maps: Intel SDM volume 2, appendix A). What it does not accept is decoded.
"""

from __future__ import annotations

import re
from functools import cache


def any_of(values: list[int]) -> str:
    """A character class of byte values, in ranges."""
    inside = sorted(set(values))
    starts = [value for value in inside if value - 1 not in values]
    ends = [value for value in inside if value + 1 not in values]
    return "[" + "".join(f"\\x{a:02x}-\\x{b:02x}" for a, b in zip(starts, ends, strict=True)) + "]"


def span(text: str) -> list[int]:
    """`"00-03 1f"` → [0, 1, 2, 3, 31]."""
    values: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        values.extend(range(int(first, 16), int(last or first, 16) + 1))
    return values


def modrm(registers: range = range(8)) -> tuple[str, str, str]:
    """A ModRM byte with SIB and displacement, /r in `registers`: any form, register form, memory form."""

    def form(mod: int, low: list[int]) -> str:
        return any_of([mod << 6 | register << 3 | rm for register in registers for rm in low])

    others = [0, 1, 2, 3, 5, 6, 7]
    sib_without_base = any_of([value for value in range(256) if value & 7 == 5])
    sib_with_base = any_of([value for value in range(256) if value & 7 != 5])
    register_form = form(3, list(range(8)))
    memory = (
        f"{form(0, [0, 1, 2, 3, 6, 7])}|{form(1, others)}.|{form(2, others)}.{{4}}|{form(0, [5])}.{{4}}"
        f"|{form(0, [4])}(?:{sib_with_base}|{sib_without_base}.{{4}})|{form(1, [4])}..|{form(2, [4])}.{{5}}"
    )
    return f"(?:{register_form}|{memory})", register_form, f"(?:{memory})"


ANY, REGISTER, MEMORY = modrm()
TEST_ONLY = modrm(range(2))[0]
NOT_TEST = modrm(range(2, 8))[0]
BIT_BY_NUMBER = modrm(range(4, 8))[0]
FIRST_ONLY = modrm(range(1))[0]
FIRST_TWO = TEST_ONLY
FIRST_SEVEN = modrm(range(7))[0]
NOT_COMPARE = modrm(range(7))[2]
STEP = modrm(range(2))[2]

WITH_MODRM = any_of(span("00-03 08-0b 10-13 18-1b 20-23 28-2b 30-33 38-3b 63 84-8b 8d d0-d3 d8-df"))
WITH_MODRM_0F = any_of(
    span("0d 10-13 16-18 1f 2e 2f 40-4f 6e 7e 90-9f a3 a5 ab ad af b0 b1 b3 b6 b7 bb-bf c0 c1")
)
PACKED_IN_REGISTERS = any_of(span("14-17 28 29 2a 2c-2f 50-6f 74-76 7e 7f d0-ef f1-fe"))
SCALAR = any_of(span("10 11 2a 2c 2d 51-53 58 59 5a 5c-5f 6f 7e 7f"))
WITHOUT_OPERAND = any_of(span("50-5f 90-99 9c-9f a4-a7 aa-af c3 c9 cc f4 f5 f8 f9 fc fd"))
IMMEDIATE_BYTE = any_of(span("04 0c 14 1c 24 2c 34 3c 6a 70-7f a8 b0-b7 cd e0-e3 eb"))
ACCUMULATOR_IMMEDIATE = any_of(span("05 0d 15 1d 25 2d 35 3d 68 a9"))

SAME_FOR_BOTH_SIZES = (
    f"(?:{WITH_MODRM}|\\x0f{WITH_MODRM_0F}){ANY}|(?:[\\x6b\\x80\\x83\\xc0\\xc1]|\\x0f[\\xa4\\xac]){ANY}."
    f"|{WITHOUT_OPERAND}|\\xf6{TEST_ONLY}.|\\xc6{FIRST_ONLY}.|\\xfe{FIRST_TWO}|\\xff{FIRST_SEVEN}|[\\xf6\\xf7]{NOT_TEST}|\\x0f\\xba{BIT_BY_NUMBER}."
    f"|\\x0f(?:{PACKED_IN_REGISTERS}{REGISTER}|[\\x70-\\x73\\xc2\\xc4-\\xc6]{REGISTER}.)"
)
WHOLE_WORDS = (
    f"{IMMEDIATE_BYTE}.|(?:{ACCUMULATOR_IMMEDIATE}|[\\xe8\\xe9]|\\x0f[\\x80-\\x8f]).{{4}}"
    f"|(?:[\\x69\\x81]{ANY}|\\xc7{FIRST_ONLY}|\\xf7{TEST_ONLY}).{{4}}|\\xc2.."
    "|\\x0f(?:[\\x05\\x0b\\x31]|[\\xc8-\\xcf]|\\xae[\\xe8\\xf0\\xf8])"
)
HALF_WORDS = (
    f"(?:{ACCUMULATOR_IMMEDIATE}|[\\x69\\x81]{ANY}|\\xc7{FIRST_ONLY}|\\xf7{TEST_ONLY}|[\\xb8-\\xbf]).."
)
REPEATED = (
    f"[\\xa4-\\xa7\\xaa-\\xaf\\x90\\xc3]|\\x0f(?:{SCALAR}{ANY}|[\\x12\\x16\\xb8\\xbc\\xbd\\x1e\\xe6]{REGISTER}|[\\xc2\\x70]{REGISTER}."
    ")"
)
LOCKED = (
    f"{any_of(span('00 01 08 09 10 11 18 19 20 21 28 29 30 31 86 87'))}{MEMORY}|[\\x80\\x83]{NOT_COMPARE}."
    f"|\\x81{NOT_COMPARE}.{{4}}|[\\xfe\\xff]{STEP}|\\x0f[\\xb0\\xb1\\xc0\\xc1]{MEMORY}"
)
SEGMENTS = "[\\x2e\\x3e\\x64\\x65]*+"
REX = "[\\x40-\\x4f]?+"
HALF = "\\x66[\\x66\\x2e]*+[\\x40-\\x47]?+"
INSTRUCTION = (
    f"{SEGMENTS}(?>(?:{HALF}|{REX})(?:{SAME_FOR_BOTH_SIZES})|{REX}(?:{WHOLE_WORDS})|{HALF}(?:{HALF_WORDS})"
    f"|[\\x48-\\x4f][\\xb8-\\xbf].{{8}}|[\\x40-\\x47]?+[\\xb8-\\xbf].{{4}}|\\x66[\\x48-\\x4f]\\x0f[\\x6e\\x7e]{ANY}"
    f"|[\\xf2\\xf3]{REX}(?:{REPEATED})|\\xf0{REX}(?:{LOCKED}))"
)


@cache
def plain_64() -> re.Pattern[bytes]:
    """The grammar for one instruction of 64-bit code, compiled when it is first needed."""
    return re.compile(INSTRUCTION.encode(), re.DOTALL)


def plain_lengths(code: bytes) -> list[int] | None:
    """The lengths of the instructions in `code`, if it holds harmless 64-bit ones from end to end."""
    match, place, lengths = plain_64().match, 0, []
    while place < len(code):
        found = match(code, place)
        if found is None:
            return None
        lengths.append(found.end() - place)
        place = found.end()
    return lengths


def is_plain(code: bytes) -> bool:
    """Whether `code`, 64-bit instructions from end to end, holds harmless ones only."""
    return plain_lengths(code) is not None
