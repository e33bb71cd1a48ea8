"""What a refused instruction could have been: its operands in words, the nearest legal forms, the size or mode it lacks."""

from __future__ import annotations

import re
from dataclasses import replace

from toolkit.asm.encoder_errors import EncodeError, Explanation, Mismatch
from toolkit.asm.encoder_match import find_form
from toolkit.asm.encoder_operands import prepare
from toolkit.asm.instructions import REGISTERS, SIZE_KEYWORDS, Form, forms, register_class
from toolkit.asm.instructions import operand_classes as classes
from toolkit.asm.statement import (
    EncodingContext,
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    Operand,
    RegisterOperand,
)

_NEAREST = 6  # forms listed
_COUNT_DIFFERS, _KIND_DIFFERS, _SIZE_DIFFERS = 20, 8, 2
_RARE_FORM = 1  # segment, control, debug and test registers, moffs: seldom what was meant
_RARE = frozenset(("reg_sreg", "reg_creg", "reg_dreg", "reg_treg", "mem_offs"))
_REGISTER_WORDS = {
    "reg": "general register",
    "rm": "general register or memory",
    "mmxreg": "mmx register",
    "mmxrm": "mmx register or memory",
    "xmmreg": "xmm register",
    "xmmrm": "xmm register or memory",
    "ymmreg": "ymm register",
    "ymmrm": "ymm register or memory",
    "zmmreg": "zmm register",
    "zmmrm": "zmm register or memory",
    "kreg": "opmask register",
    "krm": "opmask register or memory",
    "bndreg": "bound register",
    "tmmreg": "tile register",
    "fpureg": "x87 register",
    "fpu0": "st0",
    "reg_sreg": "segment register",
    "reg_creg": "control register",
    "reg_dreg": "debug register",
    "reg_treg": "test register",
    "mem": "memory",
    "mem_offs": "memory at a plain address",
    "xmem": "memory indexed by an xmm register",
    "ymem": "memory indexed by a ymm register",
    "zmem": "memory indexed by a zmm register",
    "imm": "immediate",
    "unity": "1",
    "sbyteword": "immediate -128 to 127",
    "sbytedword": "immediate -128 to 127",
    "udword": "immediate below 2^32",
    "sdword": "signed 32-bit immediate",
    "near": "near",
    "far": "far",
    "short": "short",
    "to": "to",
}


def explain(
    mismatch: Mismatch, message: str, instruction: Instruction, context: EncodingContext
) -> EncodeError:
    """The error for ``instruction``, which no form takes."""
    code = mismatch.name.lower().replace("_", "-")
    return EncodeError(code, message, None, lambda: _explanation(mismatch, instruction, context))


def _explanation(mismatch: Mismatch, instruction: Instruction, context: EncodingContext) -> Explanation:
    known = [form for form in forms(instruction.mnemonic) if _exists(form, context.bits)]
    ranked = sorted(known, key=lambda form: _distance(form, instruction))  # stable: nasm's order among equals
    legal: dict[str, Form] = {}
    for form in ranked:
        legal.setdefault(describe_form(form), form)
    nearest = dict(list(legal.items())[:_NEAREST])
    return Explanation(
        tuple(describe_operand(operand) for operand in instruction.operands),
        tuple(nearest.values()),
        tuple(nearest),
        _culprit(ranked[0], instruction) if ranked else None,
        _missing_sizes(instruction, context) if mismatch is Mismatch.SIZE_MISSING else (),
        _modes(instruction, context),
    )


def _exists(form: Form, bits: int) -> bool:
    return ("NOLONG" if bits == 64 else "LONG") not in form.flags


def describe_operand(operand: Operand) -> str:
    """An operand as written, in words: ``64-bit register rax``, ``32-bit memory``, ``immediate``."""
    if isinstance(operand, RegisterOperand):
        size = REGISTERS[operand.name].size
        kind = register_class(operand.name)
        if kind == "general":
            return f"{size * 8}-bit register {operand.name}"
        return f"{kind} register {operand.name}"
    width = f"{operand.size * 8}-bit " if operand.size else ""
    if isinstance(operand, MemoryOperand):
        return width + "memory"
    return width + ("far address" if operand.segment is not None else "immediate")


def describe_form(form: Form) -> str:
    """A form in words: ``mov 64-bit general register, memory``."""
    return f"{form.mnemonic} {', '.join(describe_word(word) for word in form.words)}".rstrip()


def describe_word(word: str) -> str:
    """One operand of a form in words: ``xmmrm128`` is ``xmm register or 128-bit memory``."""
    parts = [_describe_part(part) for part in word.split("|")]
    return " ".join(part for part in reversed(parts) if part)


def _describe_part(part: str) -> str:
    if part in _REGISTER_WORDS:
        return _REGISTER_WORDS[part]
    if part.startswith("reg_"):
        return part[4:]
    match = re.fullmatch(r"([a-z]+?)(\d+)(na)?", part)
    if match is None or match[1] not in _REGISTER_WORDS:
        return {"colon": ":", "xmm0": "xmm0"}.get(part, "")
    text, bits = _REGISTER_WORDS[match[1]], match[2]
    if match[1] != "rm" and text.endswith(" or memory"):
        return text.replace("memory", f"{bits}-bit memory")
    return f"{bits}-bit {text}"


def _distance(form: Form, instruction: Instruction) -> int:
    """How far the operands are from the form's; operands are compared one by one."""
    given, wanted = instruction.operands, form.classes
    total = abs(len(given) - len(wanted)) * _COUNT_DIFFERS
    total += _RARE_FORM if _RARE.intersection(form.words) else 0
    return total + sum(_operand_distance(operand, bits) for operand, bits in zip(given, wanted, strict=False))


def _operand_distance(operand: Operand, wanted: int) -> int:
    bits = _rough_classes(operand)
    kinds = classes.SIZE_MASK | classes.REGISTER_SET_MASK
    if wanted & ~bits & ~kinds:
        return _KIND_DIFFERS
    size, given = wanted & classes.SIZE_MASK, bits & classes.SIZE_MASK
    return _SIZE_DIFFERS if size and given and size != given else 0


def _rough_classes(operand: Operand) -> int:
    if isinstance(operand, RegisterOperand):
        return REGISTERS[operand.name].classes
    size = classes.SIZE_OF_BYTES[operand.size]
    if isinstance(operand, ImmediateOperand):
        return classes.IMMEDIATE | size
    return classes.MEMORY_ANY | size


def _culprit(form: Form, instruction: Instruction) -> int | None:
    """The one operand that keeps ``form`` from matching."""
    if len(form.classes) != len(instruction.operands):
        return None
    pairs = zip(instruction.operands, form.classes, strict=True)
    wrong = [position for position, pair in enumerate(pairs) if _operand_distance(*pair)]
    return wrong[0] if len(wrong) == 1 else None


def _missing_sizes(instruction: Instruction, context: EncodingContext) -> tuple[str, ...]:
    """The size keywords that make the instruction legal when put before its memory operand."""
    found = []
    for keyword, size in SIZE_KEYWORDS.items():
        if keyword != "long":
            operands = tuple(
                replace(operand, size=size) if isinstance(operand, MemoryOperand) else operand
                for operand in instruction.operands
            )
            if _is_legal(replace(instruction, operands=operands), context):
                found.append(keyword)
    return tuple(found)


def _modes(instruction: Instruction, context: EncodingContext) -> tuple[int, ...]:
    return tuple(bits for bits in (16, 32, 64) if _is_legal(instruction, replace(context, bits=bits)))


def _is_legal(instruction: Instruction, context: EncodingContext) -> bool:
    try:
        found = find_form(prepare(instruction, context), context.cpu, True)
    except EncodeError:
        return False
    return isinstance(found, Form)
