"""Put values into a template's fields: numbers become bytes, what depends on sections or symbols becomes a fixup.

The checks and warnings are those of nasm's gencode() and out().
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.asm.encoder_errors import EncodeError
from toolkit.asm.encoder_table import Field, Template
from toolkit.asm.statement import Encoding, EncodingContext, Fixup, Value

if TYPE_CHECKING:
    from toolkit.asm.statement import Base

_SIZE_NAMES = {1: "byte", 2: "word", 4: "dword", 8: "qword"}
_OVERFLOW = "[-w+number-overflow]"


def fill(template: Template, values: Sequence[Value], context: EncodingContext) -> Encoding:
    """The encoding of ``template`` with ``values``, one for each prepared operand.

    Raises EncodeError for a short jump out of reach and for a value no relocation can express.
    """
    if not template.fields:
        return Encoding(template.data, (), template.warnings)
    filler = _Filler(template, values, context)
    try:
        for field in template.fields:
            filler.fill(field)
    except EncodeError as error:
        error.length = len(template.data)
        raise
    return Encoding(bytes(filler.data), tuple(filler.fixups), (*template.warnings, *filler.warnings))


class _Filler:
    def __init__(self, template: Template, values: Sequence[Value], context: EncodingContext) -> None:
        self.data = bytearray(template.data)
        self.values = values
        self.context = context
        self.fixups: list[Fixup] = []
        self.warnings: list[str] = []

    def fill(self, field: Field) -> None:
        value = self.values[field.operand]
        kind = field.kind
        if kind in ("rel8", "rel", "rip"):
            self._relative(field, value)
        elif kind == "disp":
            self._displacement(field, value)
        elif kind == "ib,s":
            self._sign_extended_byte(field, value)
        elif kind == "id,s":
            if value.is_constant and not -0x80000000 <= value.constant <= 0x7FFFFFFF:
                self.warnings.append(f"signed dword immediate exceeds bounds {_OVERFLOW}")
            self._absolute(field, value, "signed")
        elif kind == "ib,u":
            self._absolute(field, value, "unsigned")
        elif kind == "is4":
            self._is4(field, value)
        elif kind == "seg":
            self._segment(field, value)
        else:
            self._absolute(field, value, "")

    def _put(self, field: Field, number: int) -> None:
        size = field.size
        number &= (1 << size * 8) - 1
        self.data[field.offset : field.offset + size] = number.to_bytes(size, "little")

    def _warn_overflow(self, size: int) -> None:
        self.warnings.append(f"{_SIZE_NAMES[size]} data exceeds bounds {_OVERFLOW}")

    def _absolute(self, field: Field, value: Value, sign: str) -> None:
        """nasm's out_imm(): a plain number, an address, or ``symbol - $``."""
        if value.is_constant:
            wraps = field.size * 8 >= self.context.bits
            if _overflows(value.constant, field.size, "" if wraps else sign):
                self._warn_overflow(field.size)
            self._put(field, value.constant)
            return
        section = self.context.section
        terms = tuple(term for term in value.terms if not (term[0] is section and term[1] == -1))
        if len(terms) == len(value.terms):
            self.fixups.append(Fixup(field.offset, field.size, value, signed=sign == "signed"))
        else:  # the section's start is subtracted: PC-relative, counted from the field
            remaining = _with_terms(value, terms)
            end = -(self.context.offset + field.offset)
            self.fixups.append(Fixup(field.offset, field.size, remaining, relative=True, end=end))

    def _relative(self, field: Field, value: Value) -> None:
        """nasm's out_reladdr(): target minus the end of the instruction."""
        section = self.context.section
        if any(base is section and coefficient == -1 for base, coefficient in value.terms):
            raise EncodeError("self-relative", "invalid use of self-relative expression")
        end = len(self.data) - field.offset
        if section is None or value.wrt is not None or value.terms != ((section, 1),):
            self.fixups.append(Fixup(field.offset, field.size, value, relative=True, end=end, signed=True))
            return
        delta = value.constant - self.context.offset - len(self.data)
        if field.kind == "rel8" and not -128 <= delta <= 127 and not value.unknown:
            also = (f"warning: byte data exceeds bounds {_OVERFLOW}",)
            raise EncodeError("short-jump", "short jump is out of range", 0, also=also)
        wraps = field.size * 8 >= self.context.bits
        if _overflows(delta, field.size, "" if wraps else "signed"):
            self._warn_overflow(field.size)
        self._put(field, delta)

    def _displacement(self, field: Field, value: Value) -> None:
        if field.factor != 1:
            self._put(field, value.constant // field.factor)
            return
        number, size, bits = value.constant, field.size, field.bits
        wide = _signed(number, bits) != _signed(number, size * 8)
        if _overflows(number, bits // 8, "") or wide:
            self._warn_overflow(size)
        self._absolute(field, value, "signed" if bits > size * 8 else "")

    def _sign_extended_byte(self, field: Field, value: Value) -> None:
        if not value.is_constant:
            self._absolute(field, value, "")
            return
        number = value.constant & 0xFFFFFFFFFFFFFFFF
        modulus = 1 << field.bits
        in_reach = number <= 127 or number >= (1 << 64) - 128 or modulus - 128 <= number <= modulus - 1
        if not in_reach:
            name = {16: "word", 32: "dword"}.get(field.bits, "signed dword")
            name = "signed byte" if field.as_byte else name
            self.warnings.append(f"{name} value exceeds bounds {_OVERFLOW}")
        self._put(field, value.constant)

    def _is4(self, field: Field, value: Value) -> None:
        if not value.is_constant:
            message = f"non-absolute expression not permitted as argument {field.operand}"
            raise EncodeError("not-absolute", message, field.operand)
        if value.constant & ~field.factor:
            self.warnings.append(f"is4 argument exceeds bounds {_OVERFLOW}")
        self._put(field, field.high | (value.constant & field.factor))

    def _segment(self, field: Field, value: Value) -> None:
        if not value.terms:
            raise EncodeError("not-relocatable", "value referenced by FAR is not relocatable", 0)
        name = "binary" if self.context.extra.get("format") == "bin" else "ELF"
        raise EncodeError("segment-base", f"{name} format does not support segment base references", 0)


def _with_terms(value: Value, terms: tuple[tuple[Base, int], ...]) -> Value:
    return Value(value.constant, terms, value.wrt, value.forward, value.unknown)


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> bits - 1 else number


def _overflows(number: int, size: int, sign: str) -> bool:
    """nasm's overflow_general(), _signed() and _unsigned(): whether ``size`` bytes are too few for the number."""
    if size >= 8:
        return False
    if sign == "unsigned":
        return not 0 <= number < 1 << size * 8
    limit = 1 << (size * 8 - 1 if sign == "signed" else size * 8)
    return not -limit <= number < limit
