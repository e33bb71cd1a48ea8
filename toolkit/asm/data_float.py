"""Floating-point constants to bits, with nasm's own arithmetic (nasm manual 3.4.6; nasm's float.c).

nasm keeps 52 digits and 192 bits and truncates after each multiplication, so that its last bit can differ from the correctly
rounded one (``dw 65520.0`` is 65504). The same steps are taken here, on Python's integers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

MANTISSA_BITS = 192
MANTISSA_DIGITS = 52
TOP = 1 << MANTISSA_BITS - 1
ALL = (1 << MANTISSA_BITS) - 1
ONE_FIFTH = int("cc" * 24, 16) + 1


class FloatError(Exception):
    """The constant is malformed; the text is nasm's wording."""


class Format(NamedTuple):
    """Widths in bits; ``explicit`` is 1 when the integer bit is stored."""

    size: int
    mantissa: int
    explicit: int
    exponent: int


FORMATS = {
    1: Format(1, 3, 0, 4),
    2: Format(2, 10, 0, 5),
    4: Format(4, 23, 0, 8),
    8: Format(8, 52, 0, 11),
    10: Format(10, 63, 1, 15),
    16: Format(16, 112, 0, 15),
}
BFLOAT16 = Format(2, 7, 0, 8)
# function → (format, first byte, bytes taken)
_PARTS = {
    "float8": (FORMATS[1], 0, 1),
    "float16": (FORMATS[2], 0, 2),
    "bfloat16": (BFLOAT16, 0, 2),
    "float32": (FORMATS[4], 0, 4),
    "float64": (FORMATS[8], 0, 8),
    "float80m": (FORMATS[10], 0, 8),
    "float80e": (FORMATS[10], 8, 2),
    "float128l": (FORMATS[16], 0, 8),
    "float128h": (FORMATS[16], 8, 8),
}


@dataclass(slots=True)
class FloatMode:
    """What constants depend on beside their text: the FLOAT directive, and how many characters a character constant may have.

    ``warnings``: (message, category) of the floats encoded since it was emptied.
    """

    rounding: str = "near"  # near, up, down, zero
    denormals_are_zero: bool = False
    characters: int = 8
    warnings: list[tuple[str, str]] = field(default_factory=list)


def encode_part(function: str, text: str, negative: bool, mode: FloatMode | None = None) -> int:
    """``__?float80e?__(text)`` and kin: the bits of the constant, or of the named part of it, as a signed 64-bit number."""
    layout, start, length = _PARTS[function]
    data = encode_float(text, negative, layout, mode)[start : start + length]
    return int.from_bytes(data, "little", signed=length == 8)


def encode_float(text: str, negative: bool, layout: Format, mode: FloatMode | None = None) -> bytes:
    """The bytes of the constant ``text`` (as scanned, without sign) in ``layout``. Raises FloatError."""
    mode = mode or FloatMode()
    if text[-1] in "pP":
        return _packed_decimal(text[:-1], negative, layout, mode)
    if text[0] == "_":
        return _special(text.strip("_?").lower(), negative, layout)
    prefix = text[1:2].lower() if text[0] == "0" else ""
    if prefix == "p":
        return _packed_decimal(text[2:], negative, layout, mode)
    if text[0] == "$":
        mantissa, exponent = _read_binary(text[1:], 4)
    elif prefix and prefix in "xhoqby":
        mantissa, exponent = _read_binary(text[2:], {"x": 4, "h": 4, "o": 3, "q": 3, "b": 1, "y": 1}[prefix])
    else:
        mantissa, exponent = _read_decimal(text[2:] if prefix and prefix in "dt" else text, mode)
    return _assemble(mantissa, exponent - 1, negative, layout, mode)


def _special(name: str, negative: bool, layout: Format) -> bytes:
    bits = layout.size * 8
    value = ((1 << layout.exponent) - 1) << bits - 1 - layout.exponent
    integer = bits - 1 - layout.exponent - layout.explicit  # position of the integer bit
    if layout.explicit:
        value |= 1 << integer
    if name in ("nan", "qnan"):
        value |= 1 << integer - 1
    elif name == "snan":
        value |= 1
    return (value | negative << bits - 1).to_bytes(layout.size, "little")


def _read_exponent(text: str, limit: int) -> int:
    negative = text.startswith("-")
    if text[:1] in ("+", "-"):
        text = text[1:]
    for character in text:
        if character not in "0123456789_":
            raise FloatError(f"invalid character in floating-point constant exponent: '{character}'")
    digits = text.replace("_", "").lstrip("0")
    value = limit if len(digits) > 6 else min(int(digits or "0"), limit)
    return -value if negative else value


def _check_digits(whole: str, allowed: str, message: str) -> None:
    for character in whole:
        if character not in allowed:
            raise FloatError(message.format(character))
    if whole.count(".") > 1:
        raise FloatError("too many periods in floating-point constant")


def _read_decimal(text: str, mode: FloatMode) -> tuple[int, int]:
    """(mantissa with its top bit set, exponent): the number is 0.mantissa * 2^exponent."""
    split = re.search("[eE]", text)
    whole, power_text = (text[: split.start()], text[split.end() :]) if split else (text, "")
    _check_digits(whole, "0123456789._", "invalid character in floating-point constant significand: '{}'")
    integer, _, fraction = whole.replace("_", "").partition(".")
    integer = integer.lstrip("0")
    digits = integer + fraction
    power = len(integer)
    if not integer:
        digits = fraction.lstrip("0")
        power = len(digits) - len(fraction)
    if len(digits) > MANTISSA_DIGITS:
        mode.warnings.append(
            (
                f"floating-point constant significand contains more than {MANTISSA_DIGITS} digits",
                "float-toolong",
            )
        )
        digits = digits[:MANTISSA_DIGITS]
    power += _read_exponent(power_text, 5000) if split else 0
    return _scale_decimal(digits, power)


def _scale_decimal(digits: str, power: int) -> tuple[int, int]:
    """0.digits * 10^power, in nasm's truncating arithmetic. Lengths are bounded: 52 digits, |power| about 5000 + digits."""
    numerator = int(digits or "0")
    if not numerator:
        return 0, 0
    denominator = 10 ** len(digits)
    zeros = denominator.bit_length() - numerator.bit_length()
    if numerator << zeros >= denominator:
        zeros -= 1
    mantissa = (numerator << MANTISSA_BITS + zeros) // denominator
    exponent = power - zeros
    factor, twos = (ONE_FIFTH, -2) if power < 0 else (5 << MANTISSA_BITS - 3, 3)
    remaining = min(abs(power), 1 << 20)
    while remaining:
        if remaining & 1:
            mantissa, carry = _multiply(mantissa, factor)
            exponent += twos + carry
        factor, carry = _multiply(factor, factor)
        twos = twos * 2 + carry
        remaining >>= 1
    return mantissa, exponent


def _multiply(a: int, b: int) -> tuple[int, int]:
    product = a * b
    if product >> 2 * MANTISSA_BITS - 1:
        return product >> MANTISSA_BITS, 0
    return product >> MANTISSA_BITS - 1 & ALL, -1


def _read_binary(text: str, bits: int) -> tuple[int, int]:
    """As ``_read_decimal``, for a radix of 2^bits and a binary exponent behind ``p``."""
    split = re.search("[pP]", text)
    whole, power_text = (text[: split.start()], text[split.end() :]) if split else (text, "")
    allowed = "0123456789abcdefABCDEF._" if bits == 4 else "01234567"[: 1 << bits] + "._"
    _check_digits(whole, allowed, "floating-point constant: `{}' is invalid character")
    integer, _, fraction = whole.replace("_", "").partition(".")
    power = _read_exponent(power_text, 20000) if split else 0
    value = int(integer + fraction or "0", 1 << bits)
    if not value:
        return 0, 0
    length = value.bit_length()
    mantissa = value << MANTISSA_BITS - length if length <= MANTISSA_BITS else value >> length - MANTISSA_BITS
    return mantissa, length - bits * len(fraction) + power


def _assemble(mantissa: int, exponent: int, negative: bool, layout: Format, mode: FloatMode) -> bytes:
    """Round to ``layout`` and pack. The number is 1.mantissa * 2^exponent."""
    limit = 1 << layout.exponent - 1
    if not mantissa:
        packed = 0
    elif 2 - limit <= exponent <= limit:
        packed = _normal(mantissa, exponent, negative, layout, mode, limit)
    elif exponent > 0:
        mode.warnings.append(("overflow in floating-point constant", "float-overflow"))
        return _special("infinity", negative, layout)
    else:
        packed = _denormal(mantissa, exponent, negative, layout, mode, limit)
    if packed < 0:
        return _special("infinity", negative, layout)
    packed |= (TOP if negative else 0) >> MANTISSA_BITS - layout.size * 8
    return packed.to_bytes(layout.size, "little")


def _rounded(mantissa: int, layout: Format, negative: bool, mode: FloatMode) -> int:
    """The top bits of the mantissa that ``layout`` stores, rounded as the FLOAT directive says."""
    cut = MANTISSA_BITS - layout.size * 8
    kept, rest = mantissa >> cut, mantissa & (1 << cut) - 1
    if mode.rounding == "near":
        half = 1 << cut - 1
        return kept + (rest > half or (rest == half and kept & 1))
    if mode.rounding == "zero" or mode.rounding == ("up" if negative else "down"):
        return kept
    return kept + (rest != 0)


def _normal(mantissa: int, exponent: int, negative: bool, layout: Format, mode: FloatMode, limit: int) -> int:
    """The packed number, or -1 when rounding made it infinite."""
    bits = layout.size * 8
    lead = layout.exponent + layout.explicit
    kept = _rounded(mantissa >> lead, layout, negative, mode)
    exponent += limit - 1
    if kept >> bits - lead:  # rounding carried into the next power of two
        kept >>= 1
        exponent += 1
        if exponent >= (limit << 1) - 1:
            mode.warnings.append(("overflow in floating-point constant", "float-overflow"))
            return -1
    if not layout.explicit:
        kept &= ~(1 << bits - 1 - lead)
    return (kept | exponent << bits - 1 - layout.exponent) & (1 << bits) - 1


def _denormal(
    mantissa: int, exponent: int, negative: bool, layout: Format, mode: FloatMode, limit: int
) -> int:
    bits = layout.size * 8
    lead = layout.exponent + layout.explicit
    shift = -(exponent + limit - 2 - layout.exponent) + layout.explicit
    kept = _rounded(mantissa >> shift, layout, negative, mode)
    if kept >> bits - 1 - lead & 1:  # rounded up to the smallest normal number
        if not layout.explicit:
            kept &= ~(1 << bits - 1 - lead)
        return kept | 1 << bits - 1 - layout.exponent
    if not kept or mode.denormals_are_zero:
        mode.warnings.append(("underflow in floating-point constant", "float-underflow"))
        return 0
    mode.warnings.append(("denormal floating-point constant", "float-denorm"))
    return kept


def _packed_decimal(text: str, negative: bool, layout: Format, mode: FloatMode) -> bytes:
    if layout.size != 10:
        raise FloatError("packed BCD requires an 80-bit format")
    for character in reversed(text):
        if character not in "0123456789_":
            raise FloatError(f"invalid character `{character}' in packed BCD constant")
    digits = text.replace("_", "")
    if len(digits) > 18:
        mode.warnings.append(("packed BCD truncated to 18 digits", "other"))
    digits = digits[-18:].rjust(18, "0")
    return bytes.fromhex(digits)[::-1] + (b"\x80" if negative else b"\0")
