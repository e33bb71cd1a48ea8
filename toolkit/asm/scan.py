"""One line of NASM source into tokens (nasm manual 3.4 and 3.5; nasm's stdscan.c and readnum.c).

A regular expression finds each token; words are then looked up in ``KEYWORDS``. A token that can't be right (a number with a
digit too many, an open string) becomes an ``error`` token, so that the parser complains only when it gets there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from toolkit.asm.instructions.registers import REGISTERS
from toolkit.asm.instructions.words import DECORATORS, PREFIXES, SIZE_KEYWORDS, SPECIAL_KEYWORDS
from toolkit.asm.statement import wrap64

# Kinds of token. Operators and punctuation have their own text as kind.
END = "end"
NUMBER = "number"
STRING = "string"
FLOAT = "float"
IDENTIFIER = "identifier"
MNEMONIC = "mnemonic"
REGISTER = "register"
PREFIX = "prefix"
SIZE = "size"  # byte … zword
SPECIAL = "special"  # rel, abs, short, strict …
HERE = "$"
BASE = "$$"
SEG = "seg"
WRT = "wrt"
QUESTION = "?"
FUNCTION = "function"  # __?ilog2e?__ …
FLOAT_FUNCTION = "float function"  # __?float32?__ …
STRING_FUNCTION = "string function"  # __?utf16?__ …
MASM_POINTER = "masm pointer"  # PTR and FLAT under %use masm
MASM_FLAT = "masm flat"
BRACE = "brace"  # {1to8}, {z}, {k1}, {sae} …
ERROR = "error"


class Token(NamedTuple):
    """``start`` and ``end`` count characters of the line from 0. ``value`` depends on ``kind``."""

    kind: str
    value: int | str
    start: int
    end: int
    warning: str = ""


class ScanError(Exception):
    """A token is malformed; ``message`` is nasm's wording."""


SEGMENT_REGISTERS = frozenset(("es", "cs", "ss", "ds", "fs", "gs", "segr6", "segr7"))
ROUNDING = frozenset(("sae", "rn-sae", "rd-sae", "ru-sae", "rz-sae"))
DATA_WIDTHS = {"db": 1, "dw": 2, "dd": 4, "dq": 8, "dt": 10, "do": 16, "dy": 32, "dz": 64}
RESERVE_WIDTHS = {f"res{name[1]}": width for name, width in DATA_WIDTHS.items()}
PSEUDO = frozenset((*DATA_WIDTHS, *RESERVE_WIDTHS, "incbin", "equ"))
FUNCTIONS = frozenset(("ilog2e", "ilog2w", "ilog2f", "ilog2c"))
FLOAT_FUNCTIONS = frozenset(
    ["float8", "float16", "bfloat16", "float32", "float64", "float80m", "float80e", "float128l", "float128h"]
)
STRING_FUNCTIONS = frozenset(["utf16", "utf16le", "utf16be", "utf32", "utf32le", "utf32be"])
FLOAT_NAMES = frozenset(("infinity", "nan", "qnan", "snan"))


def _wrapped(names: frozenset[str]) -> dict[str, str]:
    """``__?name?__`` and the older ``__name__``, each to the plain name."""
    return {form.format(name): name for name in names for form in ("__?{}?__", "__{}__")}


@lru_cache(maxsize=1)
def keywords() -> dict[str, tuple[str, int | str]]:
    """Lower-case word → (kind, value): everything that can't be a label, and the mnemonics, that can."""
    from toolkit.asm.instructions import mnemonics

    table: dict[str, tuple[str, int | str]] = {name: (MNEMONIC, name) for name in (*mnemonics(), *PSEUDO)}
    table.update({name: (PREFIX, name) for name in PREFIXES if name[0] != "{"})
    table["times"] = (PREFIX, "times")
    table.update({name: (REGISTER, name) for name in REGISTERS})
    table.update({name: (SIZE, size) for name, size in SIZE_KEYWORDS.items()})
    table.update({name: (SPECIAL, name) for name in SPECIAL_KEYWORDS})
    table.update({name: (kind, name) for name, kind in (("seg", SEG), ("wrt", WRT), ("?", QUESTION))})
    table.update({form: (FUNCTION, name) for form, name in _wrapped(FUNCTIONS).items()})
    table.update({form: (FLOAT_FUNCTION, name) for form, name in _wrapped(FLOAT_FUNCTIONS).items()})
    del table["__bfloat16__"]
    table.update({form: (STRING_FUNCTION, name) for form, name in _wrapped(STRING_FUNCTIONS).items()})
    table.update({form: (FLOAT, form) for form in _wrapped(FLOAT_NAMES)})
    table["__?masm_ptr?__"] = (MASM_POINTER, "ptr")  # what %use masm makes of PTR and FLAT
    table["__?masm_flat?__"] = (MASM_FLAT, "flat")
    return table


_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\n\v\f\r]+)
  | (?P<word>[A-Za-z_.?@\x80-\xff][A-Za-z0-9_.?@$\#~\x80-\xff]*)
  | (?P<number>(?:0[xXhH]|\$[0-9])(?:[pP][+-]|[A-Za-z0-9_.])* | [0-9](?:[eEpP][+-]|[A-Za-z0-9_.])*)
  | (?P<escaped>\$[A-Za-z_.?@\#~0-9\x80-\xff][A-Za-z0-9_.?@$\#~\x80-\xff]*)
  | (?P<string>'[^']*'|"[^"]*"|`(?:[^`\\]|\\.)*`)
  | (?P<open>['"`].*)
  | (?P<brace>\{[^}]*\}?)
  | (?P<comment>;.*)
  | (?P<symbol>\$\$|\$|<<<|<<|>>>|>>|<=>|<=|<>|>=|//|%%|==|!=|&&|\^\^|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SYNONYMS = {"<<<": "<<", "==": "=", "<>": "!="}


def scan(text: str) -> list[Token]:
    """The tokens of ``text``, ended by an END token at the comment or the end of the line."""
    table = keywords()
    tokens: list[Token] = []
    append = tokens.append
    end = len(text)
    for match in _TOKEN.finditer(text):
        group = match.lastgroup
        if group == "space":
            continue
        lexeme = match.group()
        start, stop = match.span()
        if group == "word":
            kind, value = table.get(lexeme.lower(), (IDENTIFIER, lexeme))
            if kind is FLOAT or kind is MNEMONIC:
                value = lexeme
            append(Token(kind, value, start, stop, _masm_warning(lexeme) if lexeme[0] in "pP" else ""))
        elif group == "symbol":
            append(Token(_SYNONYMS.get(lexeme, lexeme), lexeme, start, stop))
        elif group == "number":
            append(_number_token(lexeme, start, stop))
        elif group == "escaped":
            append(Token(IDENTIFIER, lexeme[1:], start, stop))
        elif group == "string":
            append(Token(STRING, unquote(lexeme), start, stop))
        elif group == "brace":
            append(_brace_token(lexeme, start, stop))
        elif group == "comment":
            end = start
            break
        else:
            append(Token(ERROR, "expression syntax error", start, stop))
    append(Token(END, "", end, end))
    return tokens


def _masm_warning(word: str) -> str:
    return f"`{word}' is not a NASM keyword" if word.lower() == "ptr" else ""


def _brace_token(lexeme: str, start: int, stop: int) -> Token:
    word = lexeme[1:-1].strip().lower()
    if not lexeme.endswith("}"):
        return Token(ERROR, "invalid decorator token inside braces", start, stop)
    braced = "{" + word + "}"
    if braced in PREFIXES:
        return Token(PREFIX, braced, start, stop)
    if braced in DECORATORS:
        return Token(BRACE, word, start, stop)
    return Token(ERROR, f"`{lexeme[1:-1].strip()}' is not a valid decorator with braces", start, stop)


_PLAIN_DECIMAL = re.compile(r"[0-9]{1,18}\Z")
_FLOAT_SHAPE = re.compile(r"(?:[^xXhH]*[eE])[^xXhH]*\Z|.*[.pP]", re.DOTALL)


def _number_token(lexeme: str, start: int, stop: int) -> Token:
    if _PLAIN_DECIMAL.match(lexeme):
        return Token(NUMBER, int(lexeme), start, stop)
    if _FLOAT_SHAPE.match(lexeme):
        return Token(FLOAT, lexeme, start, stop)
    try:
        value, fits = read_number(lexeme)
    except ScanError:
        return Token(ERROR, "expression syntax error", start, stop)
    warning = "" if fits else f"numeric constant {lexeme} does not fit in 64 bits"
    return Token(NUMBER, wrap64(value), start, stop, warning)


_RADIX = {"b": 2, "y": 2, "o": 8, "q": 8, "d": 10, "t": 10, "h": 16, "x": 16}
_DIGITS = {
    radix: re.compile(digits + r"*\Z")
    for radix, digits in ((2, "[01]"), (8, "[0-7]"), (10, "[0-9]"), (16, "[0-9a-f]"))
}


def read_number(lexeme: str) -> tuple[int, bool]:
    """(value modulo 2^64, whether it fitted) of a number as written, e.g. ``0ffh``, ``1_000``, ``0b101``; ScanError if it is none."""
    word = lexeme.lower()
    prefix = _RADIX.get(word[1], 0) if len(word) > 2 and word[0] == "0" else 0
    cut = 2 if prefix else 0
    if not prefix and len(word) > 1 and word[0] == "$":
        prefix, cut = 16, 1
    suffix = _RADIX.get(word[-1], 0) if len(word) > 1 else 0
    if prefix > suffix:
        radix, digits = prefix, word[cut:]
    elif suffix > prefix:
        radix, digits = suffix, word[:-1]
    else:
        radix, digits = 10, word
    digits = digits.replace("_", "")
    if not _DIGITS[radix].match(digits):
        raise ScanError(lexeme)
    digits = digits.lstrip("0")
    if radix == 10:
        value = int(digits[:24] or "0") if len(digits) <= 24 else _decimal_modulo(digits)
    else:
        value = int(digits or "0", radix)
    return value & 0xFFFFFFFFFFFFFFFF, value < 1 << 64


def _decimal_modulo(digits: str) -> int:
    """A decimal of any length modulo 2^64, with a bit set above it so that it is seen not to fit; linear in the length."""
    value = 0
    for start in range(0, len(digits), 18):
        piece = digits[start : start + 18]
        value = (value * 10 ** len(piece) + int(piece)) & 0xFFFFFFFFFFFFFFFF
    return value | 1 << 64


def unquote(lexeme: str) -> str:
    """The characters (one for each byte) between the quotes; in backquotes with C's escapes (nasm manual 3.4.2)."""
    body = lexeme[1:-1]
    if lexeme[0] == "`" and "\\" in body:
        return _ESCAPE.sub(_unescape, body)
    return body


_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|(.))", re.DOTALL
)
_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b"}


def _unescape(match: re.Match[str]) -> str:
    octal, hexadecimal, short, long, other = match.groups()
    if other is not None:
        return _SIMPLE_ESCAPES.get(other, other)
    if octal is not None:
        return chr(int(octal, 8) & 0xFF)
    if hexadecimal is not None:
        return chr(int(hexadecimal, 16))
    return utf8(int(short or long, 16))


def utf8(point: int) -> str:
    """UTF-8 of a code point, one character a byte; values above Unicode's get the longer forms nasm writes."""
    if point < 0x80:
        return chr(point)
    for length, limit in ((2, 1 << 11), (3, 1 << 16), (4, 1 << 21), (5, 1 << 26), (6, 1 << 31)):
        if point < limit:
            tail = [chr(0x80 | point >> 6 * shift & 0x3F) for shift in range(length - 2, -1, -1)]
            head = 0x100 - (1 << 8 - length) & 0xFF | point >> 6 * (length - 1)
            return chr(head) + "".join(tail)
    return ""


def string_value(text: str, limit: int = 8) -> int:
    """A string used as a number: its first ``limit`` bytes, the first lowest (nasm manual 3.4.4)."""
    return wrap64(int.from_bytes(text[:limit].encode("latin-1"), "little"))
