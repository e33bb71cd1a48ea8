"""Tokens: numbers in every notation, strings with escapes, words."""

from __future__ import annotations

import pytest

from toolkit.asm import scan
from toolkit.asm.scan import ScanError, read_number
from toolkit.asm.scan import scan as tokens_of


def kinds(text: str) -> list[str]:
    return [token.kind for token in tokens_of(text)][:-1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200), ("0200", 200), ("0200d", 200), ("0d200", 200), ("200t", 200),
        ("0c8h", 200), ("$0c8", 200), ("0xc8", 200), ("0hc8", 200), ("0xC8", 200), ("0X_c_8", 200),
        ("310q", 200), ("310o", 200), ("0o310", 200), ("0q310", 200),
        ("11001000b", 200), ("1100_1000y", 200), ("0b1100_1000", 200), ("0y11001000", 200),
        ("0x1d", 29), ("0b1h", 0xB1), ("0x", 0), ("08", 8),
        ("18446744073709551615", -1), ("0x8000000000000000", -(1 << 63)),
    ],
)  # fmt: skip
def test_numbers(text: str, value: int) -> None:
    token = tokens_of(text)[0]
    assert (token.kind, token.value, token.end) == (scan.NUMBER, value, len(text))


@pytest.mark.parametrize("text", ["0xg", "12ab", "0b12", "0o8", "0x1h"])
def test_malformed_numbers(text: str) -> None:
    assert kinds(text) == [scan.ERROR]
    with pytest.raises(ScanError):
        read_number(text)


def test_number_too_large_keeps_its_low_bits_and_warns() -> None:
    token = tokens_of("0x1_0000_0000_0000_0005")[0]
    assert token.value == 5
    assert "does not fit in 64 bits" in token.warning


def test_very_long_decimal_is_read_modulo_two_to_the_64th() -> None:
    digits = "123456789" * 50
    value, fits = read_number(digits)
    assert (value, fits) == (int(digits) % 2**64, False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'a\n'", "a\\n"), (r'"it' + "'" + 's"', "it's"), (r"`\a\b\t\n\v\f\r\e`", "\a\b\t\n\v\f\r\x1b"),
        (r"`\0\12\123\400\777\8`", "\0\nS\0\xff8"), (r"`\x41\x4\xg`", "A\4xg"),
        (r"`\u263a`", "\xe2\x98\xba"), (r"`\U0001f600`", "\xf0\x9f\x98\x80"), (r"`\z\``", "z`"), ("''", ""),
    ],
)  # fmt: skip
def test_strings(text: str, value: str) -> None:
    token = tokens_of(text)[0]
    assert (token.kind, token.value) == (scan.STRING, value)


@pytest.mark.parametrize("text", ["'abc", '"abc', "`abc", r"`abc\`"])
def test_open_strings(text: str) -> None:
    assert kinds(text) == [scan.ERROR]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("eax", scan.REGISTER), ("EAX", scan.REGISTER), ("$eax", scan.IDENTIFIER), ("mov", scan.MNEMONIC),
        ("lock", scan.PREFIX), ("times", scan.PREFIX), ("{evex}", scan.PREFIX), ("{1to8}", scan.BRACE),
        ("{rn-sae}", scan.BRACE), ("{k1}", scan.BRACE), ("{zz}", scan.ERROR), ("byte", scan.SIZE), ("rel", scan.SPECIAL),
        ("seg", scan.SEG), ("wrt", scan.WRT), ("$", scan.HERE), ("$$", scan.BASE), ("1.5", scan.FLOAT), ("1e5", scan.FLOAT),
        ("0x1p3", scan.FLOAT), ("1e+5", scan.FLOAT), ("__?Infinity?__", scan.FLOAT), ("__utf16__", scan.STRING_FUNCTION),
        (".loop", scan.IDENTIFIER), ("..@x", scan.IDENTIFIER), ("a$b#c~d?e", scan.IDENTIFIER), ("<=>", "<=>"), ("<<<", "<<"),
    ],
)  # fmt: skip
def test_words_and_operators(text: str, kind: str) -> None:
    assert kinds(text) == [kind]


def test_comment_ends_the_line() -> None:
    tokens = tokens_of("mov eax, ';' ; rest, of it")
    assert [token.kind for token in tokens] == [scan.MNEMONIC, scan.REGISTER, ",", scan.STRING, scan.END]
    assert tokens[-1].start == 13
