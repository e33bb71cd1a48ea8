"""Rewrite i386 code that goes through the GOT or calls for thread-local storage where the link knows better.

Sources: i386 psABI, Drepper's "ELF Handling For Thread-Local Storage", and the choices BFD makes among them (elf32-i386.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.asm.link.model import InputSection, Relocation
from toolkit.asm.link.relax64 import writable

if TYPE_CHECKING:
    from toolkit.asm.link.special import Key, Special


def convert_load(
    section: InputSection, relocation: Relocation, *, absolute: bool, weak_undefined: bool, pic: bool
) -> Relocation | None:
    """Turn a load from the GOT into the address itself; the relocation it then has, or None if it must stay.

    ``mov x@GOT(%reg), r`` becomes ``lea x@GOTOFF(%reg), r``, or ``mov $x, r`` where addresses are fixed; other operations take
    the address as an immediate likewise.
    """
    offset, _, symbol, addend = relocation
    if offset < 2 or int.from_bytes(section.data[offset : offset + 4], "little"):
        return None
    opcode, modrm = section.data[offset - 2], section.data[offset - 1]
    baseless = modrm & 0xC7 == 5
    if opcode == 0xFF:
        return None if weak_undefined and pic else _convert_branch(section, relocation, modrm)
    fixed = not pic or baseless or weak_undefined or (absolute and opcode == 0x8B)
    if not fixed and opcode != 0x8B:
        return None
    data = writable(section)
    if not fixed:
        data[offset - 2] = 0x8D
        return Relocation(offset, elf.R_386_GOTOFF, symbol, addend)
    register = 0xC0 | (modrm & 0x38) >> 3
    if opcode == 0x8B:
        data[offset - 2], data[offset - 1] = 0xC7, register
    elif opcode == 0x85:
        data[offset - 2], data[offset - 1] = 0xF7, register
    else:
        data[offset - 2], data[offset - 1] = 0x81, register | (opcode & 0x3C)
    return Relocation(offset, elf.R_386_32, symbol, addend)


def _convert_branch(section: InputSection, relocation: Relocation, modrm: int) -> Relocation:
    offset, _, symbol, addend = relocation
    data = writable(section)
    if modrm == 0x15 or modrm & 0xF8 == 0x90:
        data[offset - 2], data[offset - 1] = 0x67, 0xE8
        data[offset : offset + 4] = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
        return Relocation(offset, elf.R_386_PC32, symbol, addend)
    data[offset - 2] = 0xE9
    data[offset - 1 : offset + 3] = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
    data[offset + 3] = 0x90
    return Relocation(offset - 1, elf.R_386_PC32, symbol, addend)


def initial_to_local(section: InputSection, offset: int, kind: int) -> bool:
    """``mov``, ``add`` or ``sub`` of a GOT entry takes the offset itself. False: not such an instruction. The field is cleared."""
    if offset < 1 or offset + 4 > section.size:
        return False
    data = section.data
    previous = data[offset - 1]
    if kind == elf.R_386_TLS_IE and previous == 0xA1:  # mov x, %eax
        writable(section)[offset - 1] = 0xB8
        return True
    opcode = data[offset - 2] if offset >= 2 else 0
    absolute = kind == elf.R_386_TLS_IE
    if (previous & 0xC7 != 5) if absolute else (previous & 0xC0 != 0x80 or previous & 7 == 4):
        return False
    changed = {0x8B: (0xC7, 0xC0), 0x03: (0x81, 0xC0), 0x2B: (0x81, 0xE8)}.get(opcode)
    if changed is None or (absolute and opcode == 0x2B):
        return False
    writable(section)[offset - 2 : offset] = bytes((changed[0], changed[1] | previous >> 3 & 7))
    return True


def _is_general(section: InputSection, offset: int) -> bool:
    """``leal x@tlsgd(,%ebx,1), %eax`` or ``leal x@tlsgd(%reg), %eax``, and the call of ___tls_get_addr."""
    if offset < 2 or offset + 10 > section.size:
        return False
    data = section.data
    kind, register, call = data[offset - 2], data[offset - 1], data[offset + 4]
    if kind == 0x04:
        return offset >= 3 and data[offset - 3] == 0x8D and register == 0x1D and call == 0xE8
    return kind == 0x8D and _is_call(section, offset) and (call != 0xE8 or data[offset + 9] == 0x90)


def _is_call(section: InputSection, offset: int) -> bool:
    data = section.data
    register = data[offset - 1] & 7
    if data[offset - 1] & 0xF8 != 0x80 or register in (0, 4):
        return False
    call, operand = data[offset + 4], data[offset + 5]
    if call == 0xE8:
        return register == 3
    return (call == 0x67 and operand == 0xE8) or (
        call == 0xFF and operand & 0xF8 == 0x90 and operand & 7 == register
    )


def general_to_local(section: InputSection, offset: int) -> int | None:
    """The call becomes ``movl %gs:0,%eax; subl $x@tpoff,%eax``. Where the field is, or None."""
    if not _is_general(section, offset):
        return None
    start = offset - 3 if section.data[offset - 2] == 0x04 else offset - 2
    writable(section)[start : start + 12] = bytes.fromhex("65a10000000081e800000000")
    return start + 8


def general_to_initial(section: InputSection, offset: int, positive: bool) -> int | None:
    """The call becomes ``movl %gs:0,%eax`` and an ``addl`` (``positive``) or ``subl`` of a GOT entry."""
    if not _is_general(section, offset):
        return None
    data = writable(section)
    with_index = data[offset - 2] == 0x04
    register = data[offset - 1] >> 3 if with_index else data[offset - 1]
    start = offset - 3 if with_index else offset - 2
    operation = bytes((0x03 if positive else 0x2B, 0x80 | register & 7))
    data[start : start + 12] = bytes.fromhex("65a100000000") + operation + bytes(4)
    return start + 8


def local_dynamic_to_local(section: InputSection, offset: int) -> bool:
    """``leal x@tlsldm(%reg), %eax`` and its call become ``movl %gs:0,%eax`` and a no-operation."""
    if offset < 2 or offset + 9 > section.size or section.data[offset - 2] != 0x8D:
        return False
    if not _is_call(section, offset):
        return False
    long = section.data[offset + 4] in (0xFF, 0x67)
    body = "65a100000000" + ("8db600000000" if long else "908d742600")
    writable(section)[offset - 2 : offset - 2 + len(body) // 2] = bytes.fromhex(body)
    return True


def is_baseless(section: InputSection, offset: int, kind: int) -> bool:
    """Whether an instruction reaches a GOT entry by its address alone, with no register that holds the GOT's."""
    if kind not in (elf.R_386_GOT32, elf.R_386_GOT32X) or offset < 2:
        return False
    return section.data[offset - 1] & 0xC7 == 5 and section.data[offset - 2] != 0x8D


def value_of(
    special: Special, kind: int, a: int, key: Key, place: int, in_code: bool
) -> tuple[int, int] | None:
    """(value, size of the field in bytes); None when the relocation is not supported."""
    from toolkit.asm.link.special import ADDRESS, TP_OFFSET

    slot = special.got.get((key, ADDRESS))
    section = special.got_section
    where = section.address if section is not None and section.output else 0
    if kind == elf.R_386_PLT32:
        return special.address(key) + a - place, 4
    if kind == elf.R_386_GOTOFF:
        return special.address(key) + a - special.base(), 4
    if kind == elf.R_386_GOTPC:
        return special.base() + a - place, 4
    if kind == elf.R_386_TLS_LE:
        return special.tp_offset(key) + a, 4
    if kind == elf.R_386_TLS_LDO_32:
        return special.block_offset(key, in_code) + a, 4
    if kind == elf.R_386_TLS_LE_32:
        return -special.tp_offset(key) + a, 4
    tls = special.got.get((key, TP_OFFSET))
    if kind == elf.R_386_TLS_IE and tls is not None:
        return where + tls.offset + a, 4
    if kind == elf.R_386_TLS_GOTIE and tls is not None:
        return where + tls.offset - special.base() + a, 4
    if kind == elf.R_386_SIZE32:
        return (key.size if not isinstance(key, tuple) else key[0].symbols[key[1]].size) + a, 4
    if kind in (elf.R_386_GOT32, elf.R_386_GOT32X) and slot is not None:
        return where + slot.offset - special.base() + a, 4
    return None
