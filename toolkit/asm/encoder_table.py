"""The table-driven encoder: a matched form and its operands become a template of bytes and fields.

nasm goes over a form's code twice, calcsize() for prefixes and length, gencode() for bytes; the same two passes are here
``_Survey`` and ``_Writer``. A template leaves values out, so that it serves every instruction of its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.asm.encoder_address import (
    REX_B,
    REX_HIGH,
    REX_LOCK,
    REX_MASK,
    REX_PRESENT,
    REX_R,
    REX_W,
    REX_X,
    AddressMode,
    EffectiveAddress,
    effective_address,
    register_rex,
)
from toolkit.asm.encoder_errors import EncodeError
from toolkit.asm.encoder_operands import Operand, Prepared
from toolkit.asm.instructions import CPU_LEVEL_MASK, CPU_LEVELS, Form, PrefixSlot, Register
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
_HLE_WARNINGS = {
    "xacquire": ("invalid", "invalid", "", "lock"),
    "xrelease": ("invalid", "", "", "lock"),
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


@dataclass(slots=True)
class _Shape:
    """What the survey finds out: everything but the bytes."""

    rex: int = 0
    rex_kept: int = ~0
    no_high: bool = False
    vector: VectorPrefix | None = None
    vector_register: Register | None = None
    address: EffectiveAddress | None = None
    hle: int = 0
    high_reg: bool = False  # bit 4 of the ModRM's reg field


def build_template(form: Form, prepared: Prepared, default_bound: bool = False, cpu: int = 0) -> Template:
    """Encode ``prepared`` by ``form``. Raises EncodeError for what nasm finds out only while encoding."""
    warnings = list(prepared.warnings)
    shape = _Survey(form, prepared, warnings).survey()
    _check_rex(prepared, shape, cpu)
    _check_prefixes(form, prepared, shape, warnings)
    if default_bound and "BND" in form.flags and prepared.prefixes[PrefixSlot.REPEAT] != "nobnd":
        prepared.prefixes[PrefixSlot.REPEAT] = "bnd"
    writer = _Writer(form, prepared, shape, warnings)
    writer.write()
    _warn_obsolete(form, cpu, warnings)
    return Template(bytes(writer.data), tuple(writer.fields), tuple(warnings), form, shape.address)


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


class _Survey:
    """calcsize(): which REX or vector bits the operands need, which prefixes the code adds, what the address looks like."""

    def __init__(self, form: Form, prepared: Prepared, warnings: list[str]) -> None:
        self.form = form
        self.prepared = prepared
        self.warnings = warnings
        self.shape = _Shape()
        self.expected_vector = ""
        if prepared.prefixes[PrefixSlot.OPERAND_SIZE] == "o64":
            self.shape.rex |= REX_W

    def survey(self) -> _Shape:
        for step in self.form.steps:
            self._step(step)
        shape = self.shape
        shape.rex &= shape.rex_kept
        if shape.no_high:
            if shape.rex & REX_HIGH:
                raise EncodeError("high-byte-register", "instruction cannot use high registers")
            shape.rex &= ~REX_PRESENT
        return shape

    def _step(self, step: Step) -> None:
        shape, kind = self.shape, step.kind
        if kind in ("modrm", "digit"):
            self._address(step)
        elif kind == "add":
            mask = REX_B | REX_HIGH | REX_PRESENT | REX_W
            shape.rex |= register_rex(self._register(step.operand), mask)
        elif kind == "fixed-modrm":
            mask = REX_R | REX_HIGH | REX_PRESENT | REX_W
            shape.rex |= register_rex(self._register(step.operand), mask)
        elif kind == "vector":
            shape.vector = step.vector
            if step.vector is not None and step.vector.register is not None:
                shape.vector_register = self._register(step.vector.register)
        elif kind == "vsib":
            self.expected_vector = step.data.decode()
        elif kind == "hle":
            shape.hle = step.value
        else:
            self._size_or_prefix(kind)

    def _size_or_prefix(self, kind: str) -> None:
        shape = self.shape
        if kind in ("o16", "o32"):
            self._operand_size(kind)
        elif kind == "o64":
            shape.rex |= REX_W
        elif kind == "a64" and self.prepared.prefixes[PrefixSlot.ADDRESS_SIZE] in ("a16", "a32"):
            raise EncodeError("bad-prefix", "instruction takes 64-bit addresses only")
        elif kind == "o64nw":
            shape.rex_kept &= ~REX_W
        elif kind == "nohi":
            shape.no_high = True
        elif kind == "rex.l":
            shape.rex |= REX_LOCK
        elif kind in ("mustrep", "mustrepne"):
            self._default_prefix(PrefixSlot.REPEAT, kind[4:])
        elif kind == "wait":
            self._default_prefix(PrefixSlot.WAIT, "wait")

    def _operand_size(self, size: str) -> None:
        present = self.prepared.prefixes[PrefixSlot.OPERAND_SIZE]
        if not present:
            self.prepared.prefixes[PrefixSlot.OPERAND_SIZE] = size
        elif present != size:
            self.warnings.append(f"invalid operand size prefix, must be {size} [-w+prefix-opsize]")

    def _default_prefix(self, slot: PrefixSlot, prefix: str) -> None:
        if not self.prepared.prefixes[slot]:
            self.prepared.prefixes[slot] = prefix

    def _register(self, position: int) -> Register:
        return _register_of(self.prepared.operands[position])

    def _address(self, step: Step) -> None:
        prepared, shape = self.prepared, self.shape
        operand = prepared.operands[step.operand]
        if step.kind == "modrm":
            register = self._register(step.second)
            shape.rex |= register_rex(register, REX_R | REX_PRESENT | REX_W | REX_HIGH)
            shape.high_reg = bool(register.number & 16)
        if operand.classes & classes.IMMEDIATE:
            operand = self._immediate_as_address(operand)
        if "MIB" in self.form.flags:
            self._join_index(operand, step)
        operand.force_sib = "SIB" in self.form.flags
        mode = AddressMode(prepared.bits, prepared.address_bits)
        if shape.vector is not None and shape.vector.kind == "evex":
            mode.disp8_factor = _disp8_factor(shape.vector, operand, prepared)
        shape.address = effective_address(operand, mode, self.warnings)
        shape.rex |= shape.address.rex
        if shape.address.vector != self.expected_vector:
            raise EncodeError("bad-address", f"invalid {prepared.bits}-bit effective address", operand.source)

    def _immediate_as_address(self, operand: Operand) -> Operand:
        """``lea eax, 5``: an immediate where an address belongs takes DEFAULT REL or ABS as a bare address does."""
        if self.prepared.default_relative and self.prepared.bits == 64:
            operand.classes |= classes.MEM_RIP
        return operand

    def _join_index(self, operand: Operand, step: Step) -> None:
        operand.mib = True
        if step.value >= 0:  # a separate index operand, as in ``bndldx bnd0, [rax], rbx``
            operand.index = self._register(step.value)
            operand.scale = 1
            operand.hint, operand.hint_kind = operand.index, "not base"


def _register_of(operand: Operand) -> Register:
    """The register in a place for one. ``vpmaskmovd [rbx], xmm0`` has memory there, and nasm takes its base register."""
    register = operand.register or operand.base
    if register is None:
        raise EncodeError("invalid-operands", "invalid operand passed to regval()", operand.source)
    return register


def _disp8_factor(vector: VectorPrefix, operand: Operand, prepared: Prepared) -> int:
    """The unit of an EVEX disp8 for the form's tuple type, 0 where displacements are not compressed (disp8.c)."""
    decorated = prepared.operands[prepared.decorated] if prepared.decorated >= 0 else None
    rounds = decorated is not None and (decorated.rounding or decorated.sae)
    length = 0 if rounds else vector.length
    wide = vector.w in ("1", "rex") and not rounds
    kind = vector.tuple_type
    if kind == "fv":
        return (8 if wide else 4) if operand.broadcast else 16 << length
    if kind == "hv":
        return 4 if operand.broadcast else 8 << length
    if kind in ("t2", "t4", "t8"):
        position = ("t2", "t4", "t8").index(kind)
        return 0 if length + 7 <= wide + 5 + position + 1 else 1 << position + wide + 3
    fixed = {
        "fvm": 16 << length,
        "hvm": 8 << length,
        "qvm": 4 << length,
        "ovm": 2 << length,
        "t1s8": 1,
        "t1s16": 2,
        "t1s": 8 if wide else 4,
        "t1f32": 4,
        "t1f64": 8,
        "m128": 16,
        "dup": (8, 32, 64)[length],
    }
    return fixed.get(kind, 0)


def _check_rex(prepared: Prepared, shape: _Shape, cpu: int) -> None:
    if prepared.prefixes[PrefixSlot.ENCODING] == "{rex}":
        shape.rex |= REX_PRESENT
    if shape.vector is not None:
        _check_vector(prepared, shape, shape.vector)
    elif shape.rex & REX_MASK:
        if shape.rex & REX_HIGH:
            raise EncodeError("high-byte-register", "cannot use high byte register in rex instruction")
        if prepared.bits == 64:
            return
        level = cpu & CPU_LEVEL_MASK
        knows_cr8 = not level or level >= CPU_LEVELS["X86_64"]
        if knows_cr8 and shape.rex & REX_LOCK and not shape.rex & (REX_PRESENT | REX_W | REX_X | REX_B):
            if prepared.prefixes[PrefixSlot.LOCK]:
                raise EncodeError("bad-prefix", "invalid lock prefix")
            return
        raise EncodeError("not-in-this-mode", "invalid operands in non-64-bit mode")


def _check_vector(prepared: Prepared, shape: _Shape, vector: VectorPrefix) -> None:
    if shape.rex & REX_HIGH:
        raise EncodeError("high-byte-register", "cannot use high register in AVX instruction")
    forbidden = REX_R | REX_W | REX_X | REX_B
    if vector.w in ("0", "ignored"):
        shape.rex &= ~REX_W
    elif vector.w == "1":
        shape.rex |= REX_W
        forbidden &= ~REX_W
    number = shape.vector_register.number if shape.vector_register else 0
    address = shape.address
    high = shape.high_reg or (address is not None and address.high_base)
    if prepared.bits != 64 and (shape.rex & forbidden or number > 7):
        raise EncodeError("not-in-this-mode", "invalid operands in non-64-bit mode")
    if vector.kind != "evex" and (number > 15 or high):
        raise EncodeError("high-16-register", "invalid high-16 register in non-AVX-512")
    if _needs_three_bytes(prepared, shape, vector) and prepared.prefixes[PrefixSlot.ENCODING] == "{vex2}":
        raise EncodeError("bad-prefix", "instruction not encodable with {vex2} prefix")


def _needs_three_bytes(prepared: Prepared, shape: _Shape, vector: VectorPrefix) -> bool:
    wide = shape.rex & (REX_W | REX_X | REX_B)
    forced = prepared.prefixes[PrefixSlot.ENCODING] == "{vex3}"
    return bool(vector.kind == "xop" or (vector.kind == "vex" and (vector.map != 1 or wide or forced)))


def _check_prefixes(form: Form, prepared: Prepared, shape: _Shape, warnings: list[str]) -> None:
    """Warn of lock and the HLE prefixes where the CPU does not take them."""
    memory_first = bool(prepared.operands) and prepared.operands[0].is_memory
    lock = prepared.prefixes[PrefixSlot.LOCK]
    if lock and not ("LOCK" in form.flags and memory_first):
        warnings.append("instruction is not lockable [-w+prefix-lock]")
    repeat = prepared.prefixes[PrefixSlot.REPEAT]
    if repeat not in _HLE_WARNINGS:
        return
    problem = _HLE_WARNINGS[repeat][shape.hle] if memory_first else "invalid"
    if problem == "invalid":
        warnings.append(f"{repeat} invalid with this instruction [-w+prefix-hle]")
    elif problem == "lock" and not lock:
        warnings.append(f"{repeat} with this instruction requires lock [-w+prefix-hle]")


def _warn_obsolete(form: Form, cpu: int, warnings: list[str]) -> None:
    if not form.flags & {"OBSOLETE", "NEVER", "NOP"}:
        return
    never = "NEVER" in form.flags
    happened = "never implemented" if never else "obsolete"
    if not never and form.level == cpu & CPU_LEVEL_MASK:
        fate, warning = "but valid on", "obsolete-valid"
    elif "NOP" in form.flags:
        fate, warning = "and is a noop on", "obsolete-nop"
    else:
        fate, warning = "and invalid on" if never else "and removed from", "obsolete-removed"
    warnings.append(f"instruction {happened} {fate} the target CPU [-w+{warning}]")


class _Writer:
    """gencode(): the bytes, and fields where values go."""

    def __init__(self, form: Form, prepared: Prepared, shape: _Shape, warnings: list[str]) -> None:
        self.form = form
        self.prepared = prepared
        self.shape = shape
        self.data = bytearray(prefix_bytes(prepared, warnings))
        self.fields: list[Field] = []
        self.rex_written = False

    def write(self) -> None:
        for step in self.form.steps:
            self._step(step)
        shape = self.shape
        if (
            self.prepared.bits == 64
            and shape.rex & REX_MASK
            and shape.vector is None
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
        elif kind == "rex.l" and self.shape.rex & REX_LOCK and bits != 64:
            if self.shape.rex & REX_R:
                self.data.append(0xF0)
            self.shape.rex &= ~(REX_LOCK | REX_R)

    def _number(self, position: int) -> int:
        return _register_of(self.prepared.operands[position]).number

    def _rex(self) -> None:
        shape = self.shape
        if self.prepared.bits != 64 or self.rex_written or shape.vector is not None:
            return
        if shape.rex & REX_MASK:
            self.data.append((shape.rex & REX_MASK) | REX_PRESENT)
            self.rex_written = True

    def _modrm(self, step: Step) -> None:
        address = self.shape.address
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

    def _add_field(self, size: int, kind: str, operand: int, **more: int) -> None:
        self.fields.append(Field(len(self.data), size, kind, operand, **more))
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
        if self.shape.rex & REX_W:
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
        vector = self.shape.vector
        assert vector is not None  # set by the same step in the survey
        if vector.kind == "evex":
            self._evex(vector)
            return
        rex = self.shape.rex
        number = self.shape.vector_register.number if self.shape.vector_register else 0
        low = (~number & 15) << 3 | vector.length << 2 & 4 | vector.prefix
        if _needs_three_bytes(self.prepared, self.shape, vector):
            escape = 0x8F if vector.kind == "xop" else 0xC4
            self.data += bytes((escape, vector.map | (~rex & 7) << 5, (rex & REX_W) << 4 | low))
        else:
            self.data += bytes((0xC5, (~rex & REX_R) << 5 | low))

    def _evex(self, vector: VectorPrefix) -> None:
        shape, prepared = self.shape, self.prepared
        register, address = shape.vector_register, shape.address
        number = register.number if register else 0
        high = 0x10 if shape.high_reg else 0
        high |= 0x40 if address is not None and address.high_base else 0
        first = (((shape.rex & 7) << 5 | high) ^ 0xF0) | vector.map
        second = (shape.rex & REX_W) << 4 | (~number & 15) << 3 | 4 | vector.prefix
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
