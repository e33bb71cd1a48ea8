"""The i386 side of ``special``: GOT loads, thread-local storage sequences (i386 psABI; elf32-i386.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.asm.link.model import InputSection, Relocation
from toolkit.asm.link.relax64 import writable

if TYPE_CHECKING:
    from toolkit.asm.link.special import Key, Special

_TLS_IE = (elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE, elf.R_386_TLS_IE_32)


def rewrite(
    special: Special, section: InputSection, relocation: Relocation, key: Key | None
) -> tuple[Relocation, bool]:
    """The relocation to apply after relaxation, and whether the next one (the call) goes with it."""
    from toolkit.asm.link.special import TP_OFFSET, is_resolved

    offset, kind, symbol, _ = relocation
    if key is None:
        return relocation, False
    if kind in (elf.R_386_GOT32, elf.R_386_GOT32X):
        special.needs_base = True
        if is_resolved(key) and not special.is_indirect(key):
            changed = _convert_load(section, relocation)
            if changed is not None:
                return changed, False
        special.want_got(key)
    elif kind in (elf.R_386_GOTOFF, elf.R_386_GOTPC):
        special.needs_base = True
    elif kind in _TLS_IE:
        if _initial_to_local(section, offset, kind):
            return Relocation(offset, elf.R_386_TLS_LE, symbol, None), False
        special.want_got(key, TP_OFFSET)
    elif kind == elf.R_386_TLS_GD:
        at = _general_to_local(section, offset)
        if at is not None:
            return Relocation(at, elf.R_386_TLS_LE_32, symbol, None), True
    elif kind == elf.R_386_TLS_LDM and _local_dynamic_to_local(section, offset):
        return relocation._replace(type=0), True
    return relocation, False


def _convert_load(section: InputSection, relocation: Relocation) -> Relocation | None:
    """``mov x@GOT(%reg), r`` becomes ``mov $x, r``; other operations take the address as an immediate likewise."""
    offset, kind, symbol, addend = relocation
    if kind != elf.R_386_GOT32X:
        return None
    if offset < 2 or int.from_bytes(section.data[offset : offset + 4], "little"):
        return None
    opcode, modrm = section.data[offset - 2], section.data[offset - 1]
    if opcode == 0x8B:
        data = writable(section)
        data[offset - 2], data[offset - 1] = 0xC7, 0xC0 | (modrm & 0x38) >> 3
        return Relocation(offset, elf.R_386_32, symbol, addend)
    if opcode == 0xFF:
        return _convert_branch(section, relocation, modrm)
    data = writable(section)
    if opcode == 0x85:
        data[offset - 2], data[offset - 1] = 0xF7, 0xC0 | (modrm & 0x38) >> 3
    else:
        data[offset - 2], data[offset - 1] = 0x81, 0xC0 | (modrm & 0x38) >> 3 | (opcode & 0x3C)
    return Relocation(offset, elf.R_386_32, symbol, addend)


def _convert_branch(section: InputSection, relocation: Relocation, modrm: int) -> Relocation:
    offset, _, symbol, addend = relocation
    data = writable(section)
    if modrm >> 3 & 7 == 4:
        data[offset - 2] = 0xE9
        data[offset - 1 : offset + 3] = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
        data[offset + 3] = 0x90
        return Relocation(offset - 1, elf.R_386_PC32, symbol, addend)
    data[offset - 2], data[offset - 1] = 0x67, 0xE8
    data[offset : offset + 4] = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
    return Relocation(offset, elf.R_386_PC32, symbol, addend)


def _initial_to_local(section: InputSection, offset: int, kind: int) -> bool:
    if offset < 1:
        return False
    data = writable(section)
    previous = data[offset - 1]
    if kind == elf.R_386_TLS_IE and previous == 0xA1:  # mov x, %eax
        data[offset - 1] = 0xB8
        return True
    if offset < 2:
        return False
    opcode = data[offset - 2]
    register = previous >> 3 & 7
    if opcode == 0x8B:
        data[offset - 2], data[offset - 1] = 0xC7, 0xC0 | register
    elif opcode == 0x03:
        data[offset - 2], data[offset - 1] = 0x81, 0xC0 | register
    elif opcode == 0x2B and kind == elf.R_386_TLS_IE_32:
        data[offset - 2], data[offset - 1] = 0x81, 0xE8 | register
    else:
        return False
    return True


def _general_to_local(section: InputSection, offset: int) -> int | None:
    """``leal x@tlsgd…, %eax; call ___tls_get_addr`` becomes ``movl %gs:0,%eax; subl $x@tpoff,%eax``."""
    if offset < 2 or offset + 9 > section.size:
        return None
    data = writable(section)
    if data[offset - 2] == 0x04 and offset >= 3:  # with a SIB byte
        data[offset - 3 : offset + 9] = bytes.fromhex("65a10000000081e800000000")
        return offset + 5
    if offset + 10 <= section.size and data[offset + 9] == 0x90:
        data[offset - 2 : offset + 10] = bytes.fromhex("65a10000000081e800000000")
        return offset + 6
    data[offset - 2 : offset + 9] = bytes.fromhex("65a1000000002d00000000")
    return offset + 5


def _local_dynamic_to_local(section: InputSection, offset: int) -> bool:
    if offset < 2 or offset + 9 > section.size:
        return False
    indirect = section.data[offset + 4] == 0xFF
    body = "65a100000000" + ("8db600000000" if indirect else "908d742600")
    writable(section)[offset - 2 : offset - 2 + len(body) // 2] = bytes.fromhex(body)
    return True


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
    if kind in (elf.R_386_GOT32, elf.R_386_GOT32X) and slot is not None:
        return where + slot.offset - special.base() + a, 4
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
    return None
