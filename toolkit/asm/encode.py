"""One instruction into bytes: match a form, encode it, fill in the values.

``encode`` is what layout calls for each line of each pass. The instruction's shape (mnemonic, registers, sizes, what its
numbers fit into) selects a cached template; only values are filled in then, so a shape met before costs microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.asm.encoder_errors import MESSAGES, EncodeError, Mismatch
from toolkit.asm.encoder_explain import explain
from toolkit.asm.encoder_fill import fill
from toolkit.asm.encoder_match import find_form
from toolkit.asm.encoder_operands import Prepared, prepare
from toolkit.asm.encoder_shape import Shape, shape_of
from toolkit.asm.encoder_table import Template, build_template, prefix_bytes
from toolkit.asm.instructions import PrefixSlot
from toolkit.asm.statement import Encoding, EncodingContext, Instruction, Value

__all__ = ["EncodeError", "encode"]

_CACHE_LIMIT = 50_000  # templates; a larger cache is emptied
_BOUND_DROPPED = "jmp short does not init bnd regs - bnd prefix dropped [-w+prefix-bnd]"
_templates: dict[Shape, Template] = {}


def encode(instruction: Instruction, context: EncodingContext) -> Encoding:
    """The bytes of ``instruction`` as nasm 2.16.01 writes them, and the fields that await addresses.

    A line of prefixes without a mnemonic is their bytes. Raises EncodeError for what nasm refuses.
    """
    if not instruction.mnemonic:
        return _prefixes_alone(instruction, context)
    shape, values = shape_of(instruction, context)
    template = _templates.get(shape)
    if template is None:
        template = _remember(shape, _build(instruction, context, True))
    if not template.form.relaxable:
        return fill(template, values, context)
    return _relax(instruction, context, (shape, template), values)


def _remember(shape: Shape, template: Template) -> Template:
    if len(_templates) >= _CACHE_LIMIT:
        _templates.clear()
    _templates[shape] = template
    return template


def _relax(
    instruction: Instruction, context: EncodingContext, short: tuple[Shape, Template], values: Sequence[Value]
) -> Encoding:
    """nasm's jmp_match(): the short form where the target is within a signed byte of the instruction's end."""
    shape, template = short
    target = values[0]
    if target.unknown:  # in a first pass, be optimistic
        return fill(template, values, context)
    near = (*shape, "near")
    if context.section is not None and target.terms == ((context.section, 1),) and target.wrt is None:
        distance = target.constant - context.offset - len(template.data)
        if -128 <= distance <= 127:
            if template.form.relaxable == "jmp8" and "bnd" in instruction.prefixes:
                return _without_bound(instruction, context, values)
            return fill(template, values, context)
    template = _templates.get(near) or _remember(near, _build(instruction, context, False))
    return fill(template, values, context)


def _without_bound(instruction: Instruction, context: EncodingContext, values: Sequence[Value]) -> Encoding:
    """A short jmp takes no bnd prefix; nasm drops it after having counted it."""
    prefixes = tuple(prefix for prefix in instruction.prefixes if prefix != "bnd")
    plain = Instruction(instruction.mnemonic, instruction.operands, prefixes)
    encoding = fill(_build(plain, context, True), values, context)
    encoding.warnings = (*encoding.warnings, _BOUND_DROPPED)
    return encoding


def _prefixes_alone(instruction: Instruction, context: EncodingContext) -> Encoding:
    warnings: list[str] = []
    prepared = prepare(instruction, context)
    return Encoding(prefix_bytes(prepared, warnings), (), tuple(warnings))


def _build(instruction: Instruction, context: EncodingContext, allow_short: bool) -> Template:
    prepared = prepare(instruction, context)
    form = find_form(prepared, context.cpu, allow_short)
    if isinstance(form, Mismatch):
        raise _refusal(form, prepared, instruction)
    return build_template(form, prepared, context.default_bound_relative, context.cpu)


def _refusal(mismatch: Mismatch, prepared: Prepared, instruction: Instruction) -> EncodeError:
    prefix = prepared.prefixes[PrefixSlot.ENCODING]
    if mismatch in (Mismatch.BND_PREFIX, Mismatch.REPNE_PREFIX):
        prefix = prepared.prefixes[PrefixSlot.REPEAT]
    message = MESSAGES[mismatch].format(bits=prepared.bits, prefix=prefix)
    if mismatch is Mismatch.ENCODING_PREFIX and not prefix:
        message = "instruction not encodable without explicit prefix"
    return explain(mismatch, message, instruction, prepared)
