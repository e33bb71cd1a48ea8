"""What an instruction needs beside its bytes: REX bits, prefixes its code adds, the shape of its address.

The first half of the table-driven encoder (nasm's calcsize()), with the checks nasm makes there.
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
from toolkit.asm.instructions.codes import Step, VectorPrefix

_HLE_WARNINGS = {
    "xacquire": ("invalid", "invalid", "", "lock"),
    "xrelease": ("invalid", "", "", "lock"),
}


@dataclass(slots=True)
class Needs:
    """What an instruction needs beside its bytes: REX bits, a vector prefix, an address. ``rex_kept`` masks ``rex``."""

    rex: int = 0
    rex_kept: int = ~0
    no_high: bool = False
    vector: VectorPrefix | None = None
    vector_register: Register | None = None
    address: EffectiveAddress | None = None
    hle: int = 0
    high_reg: bool = False  # bit 4 of the ModRM's reg field


def survey(form: Form, prepared: Prepared, cpu: int, warnings: list[str]) -> Needs:
    """What ``prepared`` needs to be encoded by ``form``; prefixes the code asks for are set in ``prepared``.

    Raises EncodeError for operands that don't go together in this mode.
    """
    needs = _Survey(form, prepared, warnings).survey()
    _check_rex(prepared, needs, cpu)
    _check_prefixes(form, prepared, needs, warnings)
    return needs


class _Survey:
    """calcsize(): which REX or vector bits the operands need, which prefixes the code adds, what the address looks like."""

    def __init__(self, form: Form, prepared: Prepared, warnings: list[str]) -> None:
        self.form = form
        self.prepared = prepared
        self.warnings = warnings
        self.needs = Needs()
        self.expected_vector = ""
        if prepared.prefixes[PrefixSlot.OPERAND_SIZE] == "o64":
            self.needs.rex |= REX_W

    def survey(self) -> Needs:
        for step in self.form.steps:
            self._step(step)
        needs = self.needs
        needs.rex &= needs.rex_kept
        if needs.no_high:
            if needs.rex & REX_HIGH:
                raise EncodeError("high-byte-register", "instruction cannot use high registers")
            needs.rex &= ~REX_PRESENT
        return needs

    def _step(self, step: Step) -> None:
        needs, kind = self.needs, step.kind
        if kind in ("modrm", "digit"):
            self._address(step)
        elif kind == "add":
            mask = REX_B | REX_HIGH | REX_PRESENT | REX_W
            needs.rex |= register_rex(self._register(step.operand), mask)
        elif kind == "fixed-modrm":
            mask = REX_R | REX_HIGH | REX_PRESENT | REX_W
            needs.rex |= register_rex(self._register(step.operand), mask)
        elif kind == "vector":
            needs.vector = step.vector
            if step.vector is not None and step.vector.register is not None:
                needs.vector_register = self._register(step.vector.register)
        elif kind == "vsib":
            self.expected_vector = step.data.decode()
        elif kind == "hle":
            needs.hle = step.value
        else:
            self._size_or_prefix(kind)

    def _size_or_prefix(self, kind: str) -> None:
        needs = self.needs
        if kind in ("o16", "o32"):
            self._operand_size(kind)
        elif kind == "o64":
            needs.rex |= REX_W
        elif kind == "a64" and self.prepared.prefixes[PrefixSlot.ADDRESS_SIZE] in ("a16", "a32"):
            raise EncodeError("bad-prefix", "instruction takes 64-bit addresses only")
        elif kind == "o64nw":
            needs.rex_kept &= ~REX_W
        elif kind == "nohi":
            needs.no_high = True
        elif kind == "rex.l":
            needs.rex |= REX_LOCK
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
        return register_of(self.prepared.operands[position])

    def _address(self, step: Step) -> None:
        prepared, needs = self.prepared, self.needs
        operand = prepared.operands[step.operand]
        if step.kind == "modrm":
            register = self._register(step.second)
            needs.rex |= register_rex(register, REX_R | REX_PRESENT | REX_W | REX_HIGH)
            needs.high_reg = bool(register.number & 16)
        if operand.classes & classes.IMMEDIATE:
            operand = self._immediate_as_address(operand)
        if "MIB" in self.form.flags:
            self._join_index(operand, step)
        operand.force_sib = "SIB" in self.form.flags
        mode = AddressMode(prepared.bits, prepared.address_bits)
        if needs.vector is not None and needs.vector.kind == "evex":
            mode.disp8_factor = _disp8_factor(needs.vector, operand, prepared)
        needs.address = effective_address(operand, mode, self.warnings)
        needs.rex |= needs.address.rex
        if needs.address.vector != self.expected_vector:
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


def register_of(operand: Operand) -> Register:
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


def _check_rex(prepared: Prepared, needs: Needs, cpu: int) -> None:
    if prepared.prefixes[PrefixSlot.ENCODING] == "{rex}":
        needs.rex |= REX_PRESENT
    if needs.vector is not None:
        _check_vector(prepared, needs, needs.vector)
    elif needs.rex & REX_MASK:
        if needs.rex & REX_HIGH:
            raise EncodeError("high-byte-register", "cannot use high byte register in rex instruction")
        if prepared.bits == 64:
            return
        level = cpu & CPU_LEVEL_MASK
        knows_cr8 = not level or level >= CPU_LEVELS["X86_64"]
        if knows_cr8 and needs.rex & REX_LOCK and not needs.rex & (REX_PRESENT | REX_W | REX_X | REX_B):
            if prepared.prefixes[PrefixSlot.LOCK]:
                raise EncodeError("bad-prefix", "invalid lock prefix")
            return
        raise EncodeError("not-in-this-mode", "invalid operands in non-64-bit mode")


def _check_vector(prepared: Prepared, needs: Needs, vector: VectorPrefix) -> None:
    if needs.rex & REX_HIGH:
        raise EncodeError("high-byte-register", "cannot use high register in AVX instruction")
    forbidden = REX_R | REX_W | REX_X | REX_B
    if vector.w in ("0", "ignored"):
        needs.rex &= ~REX_W
    elif vector.w == "1":
        needs.rex |= REX_W
        forbidden &= ~REX_W
    number = needs.vector_register.number if needs.vector_register else 0
    address = needs.address
    high = needs.high_reg or (address is not None and address.high_base)
    if prepared.bits != 64 and (needs.rex & forbidden or number > 7):
        raise EncodeError("not-in-this-mode", "invalid operands in non-64-bit mode")
    if vector.kind != "evex" and (number > 15 or high):
        raise EncodeError("high-16-register", "invalid high-16 register in non-AVX-512")
    if needs_three_bytes(prepared, needs, vector) and prepared.prefixes[PrefixSlot.ENCODING] == "{vex2}":
        raise EncodeError("bad-prefix", "instruction not encodable with {vex2} prefix")


def needs_three_bytes(prepared: Prepared, needs: Needs, vector: VectorPrefix) -> bool:
    """Whether the two-byte VEX prefix won't do. XOP always has three."""
    wide = needs.rex & (REX_W | REX_X | REX_B)
    forced = prepared.prefixes[PrefixSlot.ENCODING] == "{vex3}"
    return bool(vector.kind == "xop" or (vector.kind == "vex" and (vector.map != 1 or wide or forced)))


def _check_prefixes(form: Form, prepared: Prepared, needs: Needs, warnings: list[str]) -> None:
    """Warn of lock and the HLE prefixes where the CPU does not take them."""
    memory_first = bool(prepared.operands) and prepared.operands[0].is_memory
    lock = prepared.prefixes[PrefixSlot.LOCK]
    if lock and not ("LOCK" in form.flags and memory_first):
        warnings.append("instruction is not lockable [-w+prefix-lock]")
    repeat = prepared.prefixes[PrefixSlot.REPEAT]
    if repeat not in _HLE_WARNINGS:
        return
    problem = _HLE_WARNINGS[repeat][needs.hle] if memory_first else "invalid"
    if problem == "invalid":
        warnings.append(f"{repeat} invalid with this instruction [-w+prefix-hle]")
    elif problem == "lock" and not lock:
        warnings.append(f"{repeat} with this instruction requires lock [-w+prefix-hle]")


def warn_obsolete(form: Form, cpu: int, warnings: list[str]) -> None:
    """Warn of instructions the target CPU no longer has, or never had."""
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
