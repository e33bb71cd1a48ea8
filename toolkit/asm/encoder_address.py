"""The ModRM, SIB and displacement of an operand, chosen as nasm's process_ea() chooses them."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.asm.encoder_errors import EncodeError
from toolkit.asm.encoder_operands import Operand
from toolkit.asm.instructions import Register
from toolkit.asm.instructions import operand_classes as classes

REX_B, REX_X, REX_R, REX_W = 1, 2, 4, 8
REX_LOCK = 0x20  # LOCK stands for REX.R (mov cr8 outside 64-bit mode)
REX_PRESENT = 0x40
REX_HIGH = 0x80  # ah, ch, dh or bh is used
REX_MASK = REX_PRESENT | REX_W | REX_R | REX_X | REX_B

_BYTE_REGISTER = classes.GENERAL | classes.BITS8
_SIB_FOLLOWS = 4
_STACK_POINTER = 4
_BASE_POINTER = 5
_SCALES = {1: 0, 2: 1, 4: 2, 8: 3}
_SIXTEEN_BIT = {
    ("bx", "si"): 0,
    ("bx", "di"): 1,
    ("bp", "si"): 2,
    ("bp", "di"): 3,
    ("si", ""): 4,
    ("di", ""): 5,
    ("bp", ""): 6,
    ("bx", ""): 7,
}


@dataclass(slots=True)
class AddressMode:
    """What process_ea depends on beside the operand. ``disp8_factor`` is None without EVEX, 0 for "no compression"."""

    bits: int
    address_bits: int
    disp8_factor: int | None = None


@dataclass(slots=True)
class EffectiveAddress:
    """ModRM without its reg field, and what follows. ``displacement_size`` in bytes; ``factor``: disp8 counts in this unit.

    ``base``, ``index`` and ``scale`` are what the bytes say. ``high_index``, ``high_base``: bit 4 of an EVEX index or of a register in r/m. ``vector``: "", x, y or z of a VSIB index.
    """

    mod: int = 0
    rm: int = 0
    sib: int | None = None
    displacement_size: int = 0
    rip_relative: bool = False
    factor: int = 1
    rex: int = 0
    high_index: bool = False
    high_base: bool = False
    vector: str = ""
    base: Register | None = None
    index: Register | None = None
    scale: int = 1


def register_rex(register: Register, mask: int) -> int:
    """The REX bits a register asks for, of those in ``mask``."""
    rex = 0
    if register.number & 8:
        rex |= REX_B | REX_X | REX_R
    if register.classes & classes.BITS64:
        rex |= REX_W
    if register.classes & classes.HIGH_BYTE == classes.HIGH_BYTE:
        rex |= REX_HIGH
    elif register.classes & _BYTE_REGISTER == _BYTE_REGISTER and register.number >= 4:
        rex |= REX_PRESENT
    return rex & mask


def effective_address(operand: Operand, mode: AddressMode, warnings: list[str]) -> EffectiveAddress:
    """How ``operand`` goes into an r/m field. Raises EncodeError where it can't."""
    if operand.classes & classes.REGISTER:
        return _register(operand, mode)
    if operand.rounding or operand.sae:
        message = "embedded rounding is available only with register-register operations"
        raise EncodeError("rounding-with-memory", message, operand.source)
    if operand.base is None and (operand.index is None or operand.scale == 0):
        return _bare_address(operand, mode, warnings)
    base = operand.base.classes if operand.base else 0
    index = operand.index.classes if operand.index and operand.scale else 0
    if (base | index) & classes.VECTOR:
        found = _vector_address(operand, mode)
    elif (base | index) & (classes.BITS32 | classes.BITS64):
        found = _wide_address(operand, mode)
    else:
        found = _sixteen_bit_address(operand, mode)
    if operand.relative is True:
        warnings.append("indirect address displacements cannot be RIP-relative [-w+other]")
    return found


def _bad_address(operand: Operand, mode: AddressMode) -> EncodeError:
    return EncodeError("bad-address", f"invalid {mode.bits}-bit effective address", operand.source)


def _register(operand: Operand, mode: AddressMode) -> EffectiveAddress:
    register = operand.register
    if register is None or register.classes & classes.REG_RM != classes.REG_RM:
        raise _bad_address(operand, mode)
    if operand.broadcast:
        raise EncodeError(
            "broadcast-on-register", "broadcast not allowed with register operand", operand.source
        )
    rex = register_rex(register, REX_B | REX_PRESENT | REX_W | REX_HIGH)
    return EffectiveAddress(mod=3, rm=register.number & 7, rex=rex, high_base=bool(register.number & 16))


def _bare_address(operand: Operand, mode: AddressMode, warnings: list[str]) -> EffectiveAddress:
    """An address without registers: RIP-relative, or absolute by a SIB byte in 64-bit mode."""
    relative = operand.classes & classes.MEM_RIP == classes.MEM_RIP and mode.bits == 64
    if relative and (not operand.relocated or operand.self_relative):
        warnings.append("absolute address can not be RIP-relative [-w+ea-absolute]")
        operand.classes &= ~classes.MEM_RIP
        operand.classes |= classes.MEMORY
        relative = False
    if relative and operand.force_sib:
        message = "instruction requires SIB encoding, cannot be RIP-relative"
        raise EncodeError("sib-required", message, operand.source)
    natural = 32 if mode.address_bits != 16 else 16
    if operand.displacement_bits == 8 or operand.displacement_bits not in (0, natural):
        warnings.append("displacement size ignored on absolute address [-w+ea-dispsize]")
    if operand.force_sib or (mode.bits == 64 and not relative):
        return EffectiveAddress(rm=_SIB_FOLLOWS, sib=0x25, displacement_size=4)
    if mode.address_bits == 16:
        return EffectiveAddress(rm=6, displacement_size=2, rip_relative=mode.bits == 64)
    return EffectiveAddress(rm=5, displacement_size=4, rip_relative=mode.bits == 64)


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> bits - 1 else number


def _displacement(
    operand: Operand, mode: AddressMode, found: EffectiveAddress, never_zero: bool, bits: int = 32
) -> None:
    """Choose mod 00, 01 or 10 and the displacement's size by the value and the size written."""
    offset = _signed(operand.offset, bits)
    fixed = not operand.relocated and not operand.unknown
    found.mod = 2
    if not never_zero and offset == 0 and fixed and not operand.displacement_bits:
        found.mod = 0
    elif operand.displacement_bits > 8:
        pass
    elif mode.disp8_factor is not None:
        factor = mode.disp8_factor
        if fixed and factor and offset % factor == 0 and -128 <= offset // factor <= 127:
            found.mod = 1
            found.factor = factor
    elif operand.displacement_bits == 8 or (fixed and -128 <= offset <= 127):
        found.mod = 1
    found.displacement_size = (0, 1, bits // 8)[found.mod]


def _vector_address(operand: Operand, mode: AddressMode) -> EffectiveAddress:
    base, index, scale = operand.base, operand.index, operand.scale
    if scale == 0:
        index = None
    if index is None or (base is not None and base.classes & classes.VECTOR):
        if scale not in (0, 1):
            raise _bad_address(operand, mode)
        base, index, scale = index, base, 1
    widths = 32 | 64
    if base is not None:
        if base.classes & classes.GENERAL != classes.GENERAL or base.size not in (4, 8):
            raise _bad_address(operand, mode)
        widths = base.size * 8
    if index is None or operand.displacement_bits in (16, 64) or not mode.address_bits & widths:
        raise _bad_address(operand, mode)
    if scale not in _SCALES:
        raise _bad_address(operand, mode)
    found = EffectiveAddress(
        rm=_SIB_FOLLOWS, vector=_vector_letter(index), base=base, index=index, scale=scale
    )
    found.rex = register_rex(index, REX_X) | (register_rex(base, REX_B) if base else 0)
    found.high_index = bool(index.number & 16)
    _finish_sib(operand, mode, found, base, index.number & 7, _SCALES[scale])
    return found


def _vector_letter(register: Register) -> str:
    if register.classes & classes.CLASS_ZMM:
        return "z"
    return "y" if register.classes & classes.CLASS_YMM else "x"


def _finish_sib(
    operand: Operand,
    mode: AddressMode,
    found: EffectiveAddress,
    base: Register | None,
    index: int,
    scale: int,
) -> None:
    if base is None:
        found.sib = scale << 6 | index << 3 | _BASE_POINTER
        found.displacement_size = 4
        return
    found.sib = scale << 6 | index << 3 | (base.number & 7)
    _displacement(operand, mode, found, never_zero=base.number & 7 == _BASE_POINTER)


def _wide_address(operand: Operand, mode: AddressMode) -> EffectiveAddress:
    """A 32- or 64-bit address."""
    _check_widths(operand, mode)
    base, index, scale = _arrange(operand)
    if index is not None and (index.number == _STACK_POINTER or scale not in _SCALES):
        raise _bad_address(operand, mode)
    found = EffectiveAddress(base=base, index=index, scale=scale)
    found.rex = register_rex(index, REX_X) if index else 0
    found.rex |= register_rex(base, REX_B) if base else 0
    if index is None and base is not None and base.number & 7 != _STACK_POINTER and not operand.force_sib:
        found.rm = base.number & 7
        _displacement(operand, mode, found, never_zero=found.rm == _BASE_POINTER)
        return found
    found.rm = _SIB_FOLLOWS
    number = _STACK_POINTER if index is None else index.number & 7
    _finish_sib(operand, mode, found, base, number, _SCALES[scale] if index else 0)
    return found


def _check_widths(operand: Operand, mode: AddressMode) -> None:
    widths = 32 | 64
    if operand.index is not None and operand.scale:
        if operand.index.classes & classes.GENERAL != classes.GENERAL or operand.index.size not in (4, 8):
            raise _bad_address(operand, mode)
        widths = operand.index.size * 8
    if operand.base is not None:
        general = operand.base.classes & classes.GENERAL == classes.GENERAL
        if not general or not operand.base.size * 8 & widths:
            raise _bad_address(operand, mode)
        widths = operand.base.size * 8
    if operand.displacement_bits in (16, 64) or not mode.address_bits & widths:
        raise _bad_address(operand, mode)


def _arrange(operand: Operand) -> tuple[Register | None, Register | None, int]:
    """nasm's rules for which register becomes base, which index: hints, [r*2] as [r+r], rsp never an index."""
    base, scale = operand.base, operand.scale
    index = operand.index if scale else None
    hinted_index = operand.hint is not None and operand.hint is index
    hinted_base = operand.hint is not None and operand.hint is base
    not_base, make_base = operand.hint_kind == "not base", operand.hint_kind == "base"
    if (
        scale == 1
        and base is not None
        and index is not None
        and base.number != index.number
        and ((hinted_base and not_base) or (hinted_index and make_base))
    ):
        base, index = index, base
    if base is None and scale == 1 and not (hinted_index and not_base):
        base, index = index, None
    if operand.mib:
        if index is None and hinted_base and not_base:
            base, index, scale = None, base, 1
        if operand.hint_kind == "summed" and base is None:
            base, scale = index, scale - 1
    else:
        base, index, scale = _split(operand, base, index, scale, hinted_base and not_base)
    if scale == 1 and index is not None and index.number == _STACK_POINTER:
        base, index = index, base
    return base, index, scale


def _split(
    operand: Operand, base: Register | None, index: Register | None, scale: int, explicit_index: bool
) -> tuple[Register | None, Register | None, int]:
    """[r*3] is [r+r*2]; [nosplit r*2] and [nosplit r*1] keep the index."""
    if base is None and index is not None:
        free = not operand.no_split or operand.hint_kind == "summed"
        twice = scale == 2 and index.number != _STACK_POINTER and free
        if twice or scale in (3, 5, 9):
            base, scale = index, scale - 1
    not_stack = base is None or base.number & 7 != _STACK_POINTER
    if index is None and not_stack and operand.no_split and explicit_index:
        base, index, scale = None, base, 1
    return base, index, scale


def _sixteen_bit_address(operand: Operand, mode: AddressMode) -> EffectiveAddress:
    base = operand.base.name if operand.base else ""
    index = operand.index.name if operand.index and operand.scale else ""
    if mode.address_bits == 64 or operand.displacement_bits in (32, 64):
        raise _bad_address(operand, mode)
    if index and operand.scale != 1:
        raise _bad_address(operand, mode)
    if not base or (base in ("si", "di") and index):
        base, index = index, base
    rm = _SIXTEEN_BIT.get((base, index))
    if rm is None:
        raise _bad_address(operand, mode)
    found = EffectiveAddress(rm=rm, base=operand.base, index=operand.index)
    _displacement(operand, mode, found, never_zero=rm == 6, bits=16)
    return found
