"""Questions for Keystone: one canonical instruction printed from a matched form, never the student's text.

Keystone hangs, reads host files or ends the process on text it should not see, and picks other encodings than nasm in many
places (KEYSTONE.md at the workplace lists them). So it is asked about whitelisted mnemonics only, with every size explicit,
every number in hexadecimal, and a placeholder in each field that forces the field's width; segment, lock and rep
prefixes and branches are ours. Its answer counts where it is the matched form's encoding.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from toolkit.asm.encoder_operands import Operand, Prepared
from toolkit.asm.encoder_table import Field, Template
from toolkit.asm.instructions import REGISTERS, Form, PrefixSlot
from toolkit.asm.instructions import operand_classes as classes

_PLACEHOLDERS = {1: 0x11, 2: 0x1122, 4: 0x11223344, 8: 0x1122334455667788}
_KINDS = frozenset(("ib", "ib,u", "ib,s", "iw", "id", "id,s", "iq", "disp", "rip"))
_SIZES = {1: "byte", 2: "word", 4: "dword", 8: "qword", 10: "xword", 16: "xmmword", 32: "ymmword"}
_PREFIXES = frozenset(b"\x66\x67\x9b\xf0\xf2\xf3\x26\x2e\x36\x3e\x64\x65")
_OURS = {
    "lock": 0xF0,
    "rep": 0xF3,
    "repe": 0xF3,
    "repz": 0xF3,
    "repne": 0xF2,
    "repnz": 0xF2,
    "xacquire": 0xF2,
    "bnd": 0xF2,
    "xrelease": 0xF3,
    "es": 0x26,
    "cs": 0x2E,
    "ss": 0x36,
    "ds": 0x3E,
    "fs": 0x64,
    "gs": 0x65,
}
# 16- and 64-bit register -> the 32-bit one of the same number
_GENERAL = [register for register in REGISTERS.values() if register.classes & classes.CLASS_GENERAL]
_DWORD_NAMES = {
    register.name: wide.name
    for register in _GENERAL
    for wide in _GENERAL
    if register.size in (2, 8) and wide.size == 4 and wide.number == register.number
}
_WORD = re.compile(r"\bst\(\d\)|\b[a-z][a-z0-9]*")
_NO_REGISTER = frozenset((*_SIZES.values(), "ptr", "riz"))


@cache
def whitelist() -> frozenset[str]:
    """The mnemonics Keystone may be asked about: those it was seen to encode, without a crash, in a full sweep."""
    path = Path(__file__).with_name("instructions") / "keystone.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith(";") for name in line.split())


def question(prepared: Prepared, template: Template) -> str | None:
    """The canonical text of the instruction, in Keystone's Intel syntax; None where it is not to be asked."""
    form = template.form
    if (
        form.evex
        or prepared.prefixes[PrefixSlot.ENCODING]
        or prepared.prefixes[PrefixSlot.OPERAND_SIZE] == "osp"
    ):
        return None
    if any(field.kind not in _KINDS for field in template.fields):
        return None
    texts = []
    for position, operand in enumerate(prepared.operands):
        text = _operand(position, operand, prepared, template)
        if text is None:
            return None
        texts.append(text)
    return f"{form.mnemonic} {', '.join(_preferred(form, texts))}".rstrip()


def _preferred(form: Form, texts: list[str]) -> list[str]:
    """The operands in the dress that makes Keystone choose nasm's encoding."""
    if form.mnemonic == "mov" and (form.words[1] == "udword" or _shortens_segment_move(form)):
        return [_DWORD_NAMES.get(text, text) for text in texts]
    if form.mnemonic == "xchg" and not any("[" in text for text in texts):
        return texts[::-1]
    return texts


def _shortens_segment_move(form: Form) -> bool:
    return "OPT" in form.flags and "reg_sreg" in form.words


def _operand(position: int, operand: Operand, prepared: Prepared, template: Template) -> str | None:
    if operand.register is not None and operand.classes & classes.REGISTER:
        return _register_name(operand.register.name)
    field = next((field for field in template.fields if field.operand == position), None)
    if operand.is_memory:
        return _memory(position, operand, prepared, template, field)
    if field is None:
        return hex(operand.offset) if operand.offset >= 0 else None
    return hex(_PLACEHOLDERS[field.size])


def _register_name(name: str) -> str:
    return f"st({name[2]})" if name.startswith("st") and name[2:].isdigit() else name


def _memory(
    position: int, operand: Operand, prepared: Prepared, template: Template, field: Field | None
) -> str | None:
    address = template.address
    if address is None or address.vector or operand.opmask or operand.broadcast:
        return None
    parts = []
    if address.base is not None:
        parts.append(address.base.name)
    if address.index is not None:
        parts.append(f"{address.index.name}*{hex(address.scale)}")
    if address.rip_relative:
        parts.append("rip")
    elif not parts and prepared.bits == 64:
        parts.append("riz*0x1")
    if field is not None:
        parts.append(hex(_PLACEHOLDERS[field.size]))
    size = _memory_size(template.form, position, operand)
    pointer = f"{_SIZES[size]} ptr " if size in _SIZES else ""
    return f"{pointer}[{' + '.join(parts)}]"


def _memory_size(form: Form, position: int, operand: Operand) -> int:
    """The size to print, in bytes; 0 where the form has none (``lea``, ``fxsave``)."""
    if "ANYSIZE" in form.flags:
        return 0
    bits = form.classes[position] & classes.SIZE_MASK or operand.classes & classes.SIZE_MASK
    if not bits and form.flags & {"SM", "SM2"}:
        bits = next((each & classes.SIZE_MASK for each in form.classes if each & classes.SIZE_MASK), 0)
    if not bits and form.assumed_size > 0 and form.assumed_operand in (None, position):
        bits = form.assumed_size
    return classes.BYTES_OF_SIZE.get(bits, 0)


def expected_bytes(template: Template) -> bytes:
    """The template with its placeholders: what Keystone should answer, prefixes aside."""
    data = bytearray(template.data)
    for field in template.fields:
        data[field.offset : field.offset + field.size] = _PLACEHOLDERS[field.size].to_bytes(
            field.size, "little"
        )
    return bytes(data)


def agrees(answer: bytes, prepared: Prepared, template: Template) -> bool:
    """Whether Keystone's bytes are the matched form's; the prefixes we write ourselves and their order aside."""
    ours, our_rest = _split(expected_bytes(template))
    theirs, their_rest = _split(answer)
    for prefix in prepared.prefixes:
        if prefix in _OURS and _OURS[prefix] in ours:
            ours.remove(_OURS[prefix])
    return our_rest == their_rest and sorted(ours) == sorted(theirs)


def _split(data: bytes) -> tuple[list[int], bytes]:
    count = next((n for n, byte in enumerate(data) if byte not in _PREFIXES), len(data))
    return list(data[:count]), data[count:]


def registers_named(text: str) -> frozenset[str]:
    """The registers an instruction's text names, to compare a question with what Capstone reads in the answer."""
    operands = text.partition(" ")[2]
    return frozenset(_WORD.findall(operands)) - _NO_REGISTER
