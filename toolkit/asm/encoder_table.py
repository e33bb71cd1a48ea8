"""The table-driven encoder: a matched form and its operands become a template of bytes and fields.

nasm goes over a form's code twice, calcsize() for prefixes and length, gencode() for bytes; the same two passes are here
``survey`` and ``_Writer``. A template leaves values out, so that it serves every instruction of its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.asm.encoder_address import (
    REX_LOCK,
    REX_MASK,
    REX_PRESENT,
    REX_R,
    REX_W,
    EffectiveAddress,
)
from toolkit.asm.encoder_errors import EncodeError
from toolkit.asm.encoder_operands import Prepared
from toolkit.asm.encoder_survey import Needs, needs_three_bytes, register_of, survey, warn_obsolete
from toolkit.asm.instructions import Form, PrefixSlot
from toolkit.asm.instructions import operand_classes as classes
from toolkit.asm.instructions.codes import IMMEDIATES, RELATIVES, Step, VectorPrefix

_PREFIX_BYTES = {
    "wait": 0x9B,
    "lock": 0xF0,
    "repne": 0xF2,
    "repnz": 0xF2,
    "xacquire": 0xF2,
    "bnd": 0xF2,
    "rep": 0xF3,
    "repe": 0xF3,
    "repz": 0xF3,
    "xrelease": 0xF3,
    "cs": 0x2E,
    "ds": 0x3E,
    "es": 0x26,
    "fs": 0x64,
    "gs": 0x65,
    "ss": 0x36,
    "asp": 0x67,
    "osp": 0x66,
}
# The prefix byte is needed in these modes.
_SIZE_PREFIXES = {
    "a16": (0x67, (32,)),
    "a32": (0x67, (16, 64)),
    "o16": (0x66, (32, 64)),
    "o32": (0x66, (16,)),
}


@dataclass(frozen=True, slots=True)
class Field:
    """Bytes of a template that a value fills. ``kind`` is a word of the code language, or ``disp``, ``rip``, ``is4``.

    ``operand`` counts prepared operands; ``factor`` is the unit of a compressed displacement; ``bits``, for a sign-extended
    byte, the size it extends to; for ``disp`` the address size. ``high``: the upper bits an is4 byte starts with.
    ``as_byte``: the value was written with the keyword byte.
    """

    offset: int
    size: int
    kind: str
    operand: int
    factor: int = 1
    bits: int = 0
    high: int = 0
    as_byte: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """An instruction's bytes with zeros in its ``fields``."""

    data: bytes
    fields: tuple[Field, ...]
    warnings: tuple[str, ...]
    form: Form
    address: EffectiveAddress | None = None


def build_template(form: Form, prepared: Prepared, default_bound: bool = False, cpu: int = 0) -> Template:
    """Encode ``prepared`` by ``form``. Raises EncodeError for what nasm finds out only while encoding."""
    warnings = list(prepared.warnings)
    needs = survey(form, prepared, cpu, warnings)
    if default_bound and "BND" in form.flags and prepared.prefixes[PrefixSlot.REPEAT] != "nobnd":
        prepared.prefixes[PrefixSlot.REPEAT] = "bnd"
    writer = _Writer(form, prepared, needs, warnings)
    writer.write()
    warn_obsolete(form, cpu, warnings)
    return Template(bytes(writer.data), tuple(writer.fields), tuple(warnings), form, needs.address)


def prefix_bytes(prepared: Prepared, warnings: list[str]) -> bytes:
    """The legacy prefixes in nasm's order. Raises EncodeError for one the mode does not have."""
    found = bytearray()
    bits = prepared.bits
    for prefix in prepared.prefixes:
        if prefix in _PREFIX_BYTES:
            if bits == 64 and prefix in ("cs", "ds", "es", "ss"):
                ignored = "segment base generated, but will be ignored in 64-bit mode [-w+prefix-seg]"
                warnings.append(f"{prefix} {ignored}")
            found.append(_PREFIX_BYTES[prefix])
        elif prefix in ("segr6", "segr7"):
            raise EncodeError("bad-prefix", "segr6 and segr7 cannot be used as prefixes")
        elif prefix == "a16" and bits == 64:
            raise EncodeError("bad-prefix", "16-bit addressing is not supported in 64-bit mode")
        elif prefix == "a64" and bits != 64:
            raise EncodeError("bad-prefix", "64-bit addressing is only supported in 64-bit mode")
        elif prefix in _SIZE_PREFIXES and bits in _SIZE_PREFIXES[prefix][1]:
            found.append(_SIZE_PREFIXES[prefix][0])
    return bytes(found)


class _Writer:
    """gencode(): the bytes, and fields where values go."""

    def __init__(self, form: Form, prepared: Prepared, needs: Needs, warnings: list[str]) -> None:
        self.form = form
        self.prepared = prepared
        self.needs = needs
        self.data = bytearray(prefix_bytes(prepared, warnings))
        self.fields: list[Field] = []
        self.rex_written = False

    def write(self) -> None:
        for step in self.form.steps:
            self._step(step)
        needs = self.needs
        if (
            self.prepared.bits == 64
            and needs.rex & REX_MASK
            and needs.vector is None
            and not self.rex_written
        ):
            raise EncodeError("bad-prefix", "instruction has no place for a rex prefix")

    def _step(self, step: Step) -> None:
        kind = step.kind
        if kind == "bytes":
            self._rex()
            self.data += step.data
        elif kind == "add":
            self._rex()
            self.data.append(step.value + (self._number(step.operand) & 7))
        elif kind == "prefix":
            self.data += step.data
        elif kind in ("modrm", "digit"):
            self._modrm(step)
        elif kind in IMMEDIATES or kind in RELATIVES or kind == "seg":
            self._field(kind, step.operand)
        elif kind == "vector":
            self._vector()
        elif kind == "is4":
            self._is4(step)
        else:
            self._rare(step)

    def _rare(self, step: Step) -> None:
        kind, bits = step.kind, self.prepared.bits
        size_prefix = self.prepared.prefixes[PrefixSlot.ADDRESS_SIZE]
        if kind == "fixed-modrm":
            self.data.append(step.value | (self._number(step.operand) & 7) << 3)
        elif kind == "jlen":
            self.data.append(3 if bits == 16 else 5)
        elif (kind == "a16" and bits == 32 and size_prefix != "a16") or (
            kind == "a32" and bits != 32 and size_prefix != "a32"
        ):
            self.data.append(0x67)
        elif kind == "rex.l" and self.needs.rex & REX_LOCK and bits != 64:
            if self.needs.rex & REX_R:
                self.data.append(0xF0)
            self.needs.rex &= ~(REX_LOCK | REX_R)

    def _number(self, position: int) -> int:
        return register_of(self.prepared.operands[position]).number

    def _rex(self) -> None:
        needs = self.needs
        if self.prepared.bits != 64 or self.rex_written or needs.vector is not None:
            return
        if needs.rex & REX_MASK:
            self.data.append((needs.rex & REX_MASK) | REX_PRESENT)
            self.rex_written = True

    def _modrm(self, step: Step) -> None:
        address = self.needs.address
        assert address is not None  # the survey met the same step
        reg = self._number(step.second) & 7 if step.kind == "modrm" else step.value
        self.data.append(address.mod << 6 | reg << 3 | address.rm)
        if address.sib is not None:
            self.data.append(address.sib)
        if address.displacement_size:
            kind = "rip" if address.rip_relative else "disp"
            self._add_field(
                address.displacement_size,
                kind,
                step.operand,
                factor=address.factor,
                bits=self.prepared.address_bits,
            )

    def _add_field(
        self,
        size: int,
        kind: str,
        operand: int,
        factor: int = 1,
        bits: int = 0,
        high: int = 0,
        as_byte: bool = False,
    ) -> None:
        self.fields.append(Field(len(self.data), size, kind, operand, factor, bits, high, as_byte))
        self.data += bytes(size)

    def _field(self, kind: str, position: int) -> None:
        bits = self.prepared.bits
        written = self.prepared.operands[position].classes
        if kind in ("iwd", "rel"):
            sized = written & (classes.BITS16 | classes.BITS32)
            size = (2 if written & classes.BITS16 else 4) if sized else (2 if bits == 16 else 4)
        elif kind == "iwdq":
            size = self.prepared.address_bits // 8
        else:
            size = {"ib": 1, "ib,u": 1, "ib,s": 1, "rel8": 1, "iw": 2, "seg": 2, "iq": 8}.get(kind, 4)
        as_byte = bool(written & classes.BITS8)
        self._add_field(size, kind, position, bits=self._operand_bits(), as_byte=as_byte)

    def _operand_bits(self) -> int:
        if self.needs.rex & REX_W:
            return 64
        size = self.prepared.prefixes[PrefixSlot.OPERAND_SIZE]
        return {"o16": 16, "o32": 32}.get(size, self.prepared.bits)

    def _is4(self, step: Step) -> None:
        number = self._number(step.operand)
        high = (number << 4 & 0xFF) | (number & 0x10) >> 1
        if step.second < 0:
            self.data.append(high)
        else:
            mask = 7 if self.prepared.prefixes[PrefixSlot.ENCODING] == "{evex}" else 15
            self._add_field(1, "is4", step.second, factor=mask, high=high)

    def _vector(self) -> None:
        vector = self.needs.vector
        assert vector is not None  # set by the same step in the survey
        if vector.kind == "evex":
            self._evex(vector)
            return
        rex = self.needs.rex
        number = self.needs.vector_register.number if self.needs.vector_register else 0
        low = (~number & 15) << 3 | vector.length << 2 & 4 | vector.prefix
        if needs_three_bytes(self.prepared, self.needs, vector):
            escape = 0x8F if vector.kind == "xop" else 0xC4
            self.data += bytes((escape, vector.map | (~rex & 7) << 5, (rex & REX_W) << 4 | low))
        else:
            self.data += bytes((0xC5, (~rex & REX_R) << 5 | low))

    def _evex(self, vector: VectorPrefix) -> None:
        needs, prepared = self.needs, self.prepared
        register, address = needs.vector_register, needs.address
        number = register.number if register else 0
        high = 0x10 if needs.high_reg else 0
        high |= 0x40 if address is not None and address.high_base else 0
        first = (((needs.rex & 7) << 5 | high) ^ 0xF0) | vector.map
        second = (needs.rex & REX_W) << 4 | (~number & 15) << 3 | 4 | vector.prefix
        third = 0x08 if number & 16 or (address is not None and address.high_index) else 0
        destination = prepared.operands[0] if prepared.operands else None
        if destination is not None:
            third |= (0x80 if destination.zeroing else 0) | destination.opmask
        third |= self._evex_length(vector)
        self.data += bytes((0x62, first, second, third ^ 0x08))

    def _evex_length(self, vector: VectorPrefix) -> int:
        prepared = self.prepared
        decorated = prepared.operands[prepared.decorated] if prepared.decorated >= 0 else None
        if decorated is not None and (decorated.rounding or decorated.sae):
            return 0x10 | (prepared.rounding_mode << 5 if decorated.rounding else 0)
        if not any(step.kind in ("modrm", "digit") for step in self.form.steps):
            return 0
        broadcast = decorated is not None and decorated.broadcast
        return vector.length << 5 | (0x10 if broadcast else 0)
