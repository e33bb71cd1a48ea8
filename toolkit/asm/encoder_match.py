"""Which form of a mnemonic an instruction means: nasm's find_match() and matches().

Forms are tried in the table's order and the first that matches wins. When none does and only sizes were missing, the sizes
all candidates agree on are filled in and the forms are tried again. The reason reported is the most specific one found.
"""

from __future__ import annotations

from toolkit.asm.encoder_errors import Mismatch
from toolkit.asm.encoder_operands import Operand, Prepared
from toolkit.asm.instructions import (
    CPU_LATE_VEX,
    CPU_LEVEL_MASK,
    CPU_NO_EVEX,
    CPU_NO_VEX,
    Form,
    PrefixSlot,
    forms_by_count,
)
from toolkit.asm.instructions import operand_classes as classes

_MODE_SIZES = {16: classes.BITS16, 32: classes.BITS32, 64: classes.BITS64}
_SET_OR_SIZE = classes.SIZE_MASK | classes.REGISTER_SET_MASK
_SPURIOUS = classes.COLON | classes.TO


def find_form(prepared: Prepared, cpu: int, allow_short: bool) -> Form | Mismatch:
    """The form nasm would choose, or why there is none.

    ``allow_short``: forms for branch targets in reach of a byte may match. Sizes found missing are set in ``prepared``.
    """
    candidates = forms_by_count(prepared.mnemonic, len(prepared.operands))
    sizes = [_written_size(prepared, position) for position in range(len(prepared.operands))]
    worst = Mismatch.INVALID_OPERANDS
    missing = False
    for form in _plausible(candidates, prepared, cpu):
        verdict = _match(form, prepared, cpu, allow_short)
        if verdict is None:
            return form
        if verdict is Mismatch.SIZE_MISSING and "SX" not in form.flags:
            missing = True
            for position in range(len(sizes)):
                sizes[position] |= _form_size(form, prepared, position)
        worst = max(worst, verdict)
    if missing and _fill_sizes(prepared, sizes):
        for form in candidates:
            verdict = _match(form, prepared, cpu, allow_short)
            if verdict is None:
                return form
            worst = max(worst, verdict)
    return worst


def _plausible(candidates: tuple[Form, ...], prepared: Prepared, cpu: int) -> list[Form]:
    """The candidates without those that can only come to INVALID_OPERANDS, which says nothing: most, found cheaply."""
    unusual = prepared.decorated >= 0 or prepared.prefixes[PrefixSlot.ENCODING] or cpu
    if unusual or any(
        operand.opmask or operand.zeroing or operand.classes & classes.REGISTER_SET_MASK
        for operand in prepared.operands
    ):
        return list(candidates)
    absent = [~operand.classes for operand in prepared.operands]
    if len(absent) == 2:
        first, second = absent
        return [
            form for form in candidates if not (form.kinds[0] & first or form.kinds[1] & second) or form.late
        ]
    return [
        form
        for form in candidates
        if form.late or not any(kind & bits for kind, bits in zip(form.kinds, absent, strict=True))
    ]


def _written_size(prepared: Prepared, position: int) -> int:
    operand = prepared.operands[position]
    if position == prepared.decorated:
        return operand.broadcast_element
    return operand.classes & classes.SIZE_MASK


def _form_size(form: Form, prepared: Prepared, position: int) -> int:
    if position == prepared.decorated:
        return form.elements[position]
    return form.classes[position] & classes.SIZE_MASK


def _fill_sizes(prepared: Prepared, sizes: list[int]) -> bool:
    """Give unsized operands the one size the candidates ask for; False where they ask for several."""
    for position, operand in enumerate(prepared.operands):
        if operand.classes & classes.REGISTER:
            continue
        if sizes[position] & (sizes[position] - 1):
            return False
        if position == prepared.decorated:
            operand.broadcast_element |= sizes[position]
        operand.classes |= sizes[position]
    return True


def _match(form: Form, prepared: Prepared, cpu: int, allow_short: bool) -> Mismatch | None:
    flags = form.flags
    if "OPT" in flags and prepared.level <= 0:
        return Mismatch.INVALID_OPERANDS
    if (form.vex or form.evex or prepared.prefixes[PrefixSlot.ENCODING]) and not _encoding_fits(
        form, prepared, cpu
    ):
        return Mismatch.ENCODING_PREFIX
    for operand, wanted in zip(prepared.operands, form.classes, strict=True):
        if operand.classes & ~wanted & _SPURIOUS:
            return Mismatch.INVALID_OPERANDS
    assumed = _assumed_sizes(form, prepared.bits)
    missing = False
    for position, operand in enumerate(prepared.operands):
        verdict = _match_operand(form, prepared, position, operand, assumed[position])
        if verdict is Mismatch.SIZE_MISSING:
            missing = True
        elif verdict is not None:
            return verdict
    if missing:
        return Mismatch.SIZE_MISSING
    if not _sizes_agree(form, prepared, assumed):
        return Mismatch.SIZE_MISMATCH
    return _match_environment(form, prepared, cpu, allow_short)


def _encoding_fits(form: Form, prepared: Prepared, cpu: int) -> bool:
    """Whether the form has the encoding a {vex}, {evex} or {rex} prefix asks for, and the cpu has it."""
    wanted = prepared.prefixes[PrefixSlot.ENCODING]
    if wanted == "{evex}":
        return form.evex
    if wanted.startswith("{vex"):
        return form.vex
    if wanted == "{rex}":
        return not form.vex and not form.evex and prepared.bits == 64
    if form.evex:
        return not cpu & CPU_NO_EVEX
    if cpu & CPU_NO_VEX:
        return False
    return "LATEVEX" not in form.flags or bool(cpu & CPU_LATE_VEX) or bool(cpu & CPU_NO_EVEX)


def _assumed_sizes(form: Form, bits: int) -> list[int]:
    size = _MODE_SIZES[bits] if form.assumed_size < 0 else form.assumed_size
    if form.assumed_operand is None:
        return [size] * 5
    return [size if position == form.assumed_operand else 0 for position in range(5)]


def _match_operand(
    form: Form, prepared: Prepared, position: int, operand: Operand, assumed: int
) -> Mismatch | None:
    bits, wanted = operand.classes, form.classes[position]
    if not bits & classes.SIZE_MASK:
        bits |= assumed
    form_size, count = wanted & classes.SIZE_MASK, 0
    if operand.broadcast:
        if not form.decorators[position] & classes.BROADCAST:
            return Mismatch.BROADCAST_NOT_HERE
        element = form.elements[position]
        # nasm counts in units of 64 bits, so that a 32-bit operand has no element
        count = _bits_of(form_size) // 64 * (64 // _bits_of(element)) if element else 0
        form_size = element
    verdict = _match_decorators(form.decorators[position], operand)
    if verdict is not None:
        return verdict
    if wanted & ~bits & ~_SET_OR_SIZE:
        return Mismatch.INVALID_OPERANDS
    if bits & ~wanted & classes.REGISTER_SET_MASK:
        has_set = wanted & classes.REGISTER_SET_MASK
        return Mismatch.REGISTER_SET_SIZE if has_set else Mismatch.REGISTER_SET
    written_size = bits & classes.SIZE_MASK
    if not form_size or form_size == written_size:
        counts_differ = form_size and operand.broadcast and operand.broadcast != count
        return Mismatch.BROADCAST_COUNT if counts_differ else None
    if written_size:
        return Mismatch.INVALID_OPERANDS
    return None if bits & classes.REGISTER else Mismatch.SIZE_MISSING


def _bits_of(size: int) -> int:
    return classes.BYTES_OF_SIZE[size] * 8


def _match_decorators(allowed: int, operand: Operand) -> Mismatch | None:
    if operand.opmask and not allowed & classes.MASK:
        return Mismatch.MASK_NOT_HERE
    if operand.zeroing and not allowed & classes.ZEROING:
        return Mismatch.DECORATOR_NOT_HERE
    if operand.rounding and not allowed & classes.ROUNDING:
        return Mismatch.DECORATOR_NOT_HERE
    if operand.sae and not allowed & classes.SAE:
        return Mismatch.DECORATOR_NOT_HERE
    return None


def _sizes_agree(form: Form, prepared: Prepared, assumed: list[int]) -> bool:
    """Operands the form leaves unsized must not carry another size than the one it means (SM, SM2, SB …)."""
    sizes = assumed
    if "SM" in form.flags or "SM2" in form.flags:
        count = 2 if "SM2" in form.flags else len(form.classes)
        sized = next(
            (bits & classes.SIZE_MASK for bits in form.classes[:count] if bits & classes.SIZE_MASK), 0
        )
        if sized:
            sizes = [sized] * count + assumed[count:]
    return not any(
        operand.classes & classes.SIZE_MASK & ~sizes[position]
        for position, operand in enumerate(prepared.operands)
        if not form.classes[position] & classes.SIZE_MASK
    )


def _match_environment(form: Form, prepared: Prepared, cpu: int, allow_short: bool) -> Mismatch | None:
    level = cpu & CPU_LEVEL_MASK
    if level and form.level > level:
        return Mismatch.CPU_LEVEL
    flags = form.flags
    if ("NOLONG" if prepared.bits == 64 else "LONG") in flags:
        return Mismatch.MODE
    repeat = prepared.prefixes[PrefixSlot.REPEAT]
    if "NOHLE" in flags and repeat in ("xacquire", "xrelease"):
        return Mismatch.HLE_PREFIX
    if form.relaxable:
        return None if allow_short and _may_relax(form, prepared) else Mismatch.INVALID_OPERANDS
    if "BND" not in flags and repeat in ("bnd", "nobnd"):
        return Mismatch.BND_PREFIX
    if "BND" in flags and repeat in ("repne", "repnz"):
        return Mismatch.REPNE_PREFIX
    return None


def _may_relax(form: Form, prepared: Prepared) -> bool:
    if prepared.operands[0].classes & classes.STRICT or prepared.level == 0:
        return False
    return prepared.level > 0 or form.relaxable == "jcc8"
