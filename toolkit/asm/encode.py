"""One instruction into bytes: match a form, encode it, fill in the values.

``encode`` is what layout calls for each line of each pass. The instruction's shape (mnemonic, registers, sizes, what its
numbers fit into) selects a cached template; only values are filled in then, so a shape met before costs microseconds.
"""

from __future__ import annotations

from toolkit.asm.encoder_errors import MESSAGES, EncodeError, Mismatch
from toolkit.asm.encoder_explain import explain
from toolkit.asm.encoder_fill import fill
from toolkit.asm.encoder_match import find_form
from toolkit.asm.encoder_operands import Prepared, prepare
from toolkit.asm.encoder_table import Template, build_template, prefix_bytes
from toolkit.asm.instructions import PrefixSlot
from toolkit.asm.statement import Encoding, EncodingContext, Instruction

__all__ = ["EncodeError", "encode"]


def encode(instruction: Instruction, context: EncodingContext) -> Encoding:
    """The bytes of ``instruction`` as nasm 2.16.01 writes them, and the fields that await addresses.

    Raises EncodeError for what nasm refuses.
    """
    if not instruction.mnemonic:
        return _prefixes_alone(instruction, context)
    prepared = prepare(instruction, context)
    values = [operand.value for operand in prepared.operands]
    template = _template(prepared, context, instruction)
    return fill(template, values, context)


def _prefixes_alone(instruction: Instruction, context: EncodingContext) -> Encoding:
    """A line of prefixes without an instruction is their bytes."""
    warnings: list[str] = []
    prepared = prepare(instruction, context)
    return Encoding(prefix_bytes(prepared, warnings), (), tuple(warnings))


def _template(prepared: Prepared, context: EncodingContext, instruction: Instruction) -> Template:
    form = find_form(prepared, context.cpu, True)
    if isinstance(form, Mismatch):
        raise _refusal(form, prepared, instruction)
    template = build_template(form, prepared, context.default_bound_relative, context.cpu)
    if form.relaxable and not _in_reach(prepared, template, context):
        prepared = prepare(instruction, context)
        form = find_form(prepared, context.cpu, False)
        if isinstance(form, Mismatch):
            raise _refusal(form, prepared, instruction)
        template = build_template(form, prepared, context.default_bound_relative, context.cpu)
    return template


def _in_reach(prepared: Prepared, template: Template, context: EncodingContext) -> bool:
    """nasm's jmp_match(): whether the branch target is within a signed byte of the instruction's end."""
    operand = prepared.operands[0]
    if operand.unknown:
        return True
    if context.section is None or operand.value.terms != ((context.section, 1),):
        return False
    return -128 <= operand.offset - context.offset - len(template.data) <= 127


def _refusal(mismatch: Mismatch, prepared: Prepared, instruction: Instruction) -> EncodeError:
    prefix = prepared.prefixes[PrefixSlot.ENCODING]
    if mismatch in (Mismatch.BND_PREFIX, Mismatch.REPNE_PREFIX):
        prefix = prepared.prefixes[PrefixSlot.REPEAT]
    message = MESSAGES[mismatch].format(bits=prepared.bits, prefix=prefix)
    if mismatch is Mismatch.ENCODING_PREFIX and not prefix:
        message = "instruction not encodable without explicit prefix"
    return explain(mismatch, message, instruction, prepared)
