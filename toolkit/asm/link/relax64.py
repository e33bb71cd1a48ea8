"""Rewrite x86-64 code that goes through the GOT or calls for thread-local storage where the link knows better.

Sources: x86-64 psABI B.2 ("Optimize GOTPCRELX Relocations"), Drepper's "ELF Handling For Thread-Local Storage", and the
choices BFD makes among them (elf64-x86-64.c).
"""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link.model import InputSection, Relocation

_GOTPCREL = (elf.R_X86_64_GOTPCREL, elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX)


def is_got_load(kind: int) -> bool:
    return kind in _GOTPCREL


def writable(section: InputSection) -> bytearray:
    """The section's own copy of its bytes, made when it is first changed."""
    if not isinstance(section.data, bytearray):
        section.data = bytearray(section.data)
    return section.data


def convert_load(
    section: InputSection,
    relocation: Relocation,
    *,
    absolute: int | None,
    weak_undefined: bool,
    pic: bool,
    relax: bool,
) -> Relocation | None:
    """Turn a load from the GOT into the address itself; the relocation it then has, or None if it must stay.

    ``absolute``: the number the symbol stands for; ``weak_undefined``: it is an undefined weak one that is 0, of which
    loads are rewritten without ``relax`` too.
    """
    offset, kind, symbol, addend = relocation
    lead = 3 if kind == elf.R_X86_64_REX_GOTPCRELX else 2
    if addend != -4 or offset < lead or offset + 4 > section.size:
        return None
    extended = kind != elf.R_X86_64_GOTPCREL
    opcode = section.data[offset - 2]
    if opcode != 0x8B and not extended:
        return None
    relative = opcode == 0xFF or not extended or pic
    if weak_undefined:
        if opcode != 0xFF and extended:
            relative = False
        if relative and (pic or (opcode == 0xFF and not relax)):
            return None
    if opcode == 0xFF:
        return _convert_branch(section, relocation)
    if opcode == 0x8B:
        if absolute is not None and extended:
            relative = False
        if relative:
            writable(section)[offset - 2] = 0x8D
            return Relocation(offset, elf.R_X86_64_PC32, symbol, addend)
    elif relative:
        return None
    return _load_number(section, relocation, absolute or 0)


def _load_number(section: InputSection, relocation: Relocation, value: int) -> Relocation | None:
    """The operand becomes an immediate, unless ``value`` is known and does not fit into one."""
    offset, kind, symbol, _ = relocation
    data = section.data
    opcode = data[offset - 2]
    rex = data[offset - 3] if kind == elf.R_X86_64_REX_GOTPCRELX else 0
    wide = rex & 8
    first = -(1 << 31) if wide else 0
    if not first <= _signed(value) < first + (1 << 32):
        return None
    if opcode == 0x8B:
        _to_immediate(section, offset, 0xC7, 0, rex, rex_mask=4 if wide else 12)
    elif opcode == 0x85:
        _to_immediate(section, offset, 0xF7, 0, rex, rex_mask=4)
    else:
        _to_immediate(section, offset, 0x81, opcode & 0x3C, rex, rex_mask=4)
    return Relocation(offset, elf.R_X86_64_32S if wide else elf.R_X86_64_32, symbol, 0)


def _signed(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _to_immediate(
    section: InputSection, offset: int, opcode: int, digit: int, rex: int, rex_mask: int
) -> None:
    """``op reg, [rip+x]`` becomes ``op reg, imm32``: the register moves from ModRM.reg to ModRM.rm."""
    data = writable(section)
    data[offset - 1] = 0xC0 | (data[offset - 1] & 0x38) >> 3 | digit
    data[offset - 2] = opcode
    if rex:
        data[offset - 3] = (rex & ~rex_mask) | (rex & 4) >> 2


def _convert_branch(section: InputSection, relocation: Relocation) -> Relocation | None:
    offset, _, symbol, addend = relocation
    data = writable(section)
    if data[offset - 1] == 0x25:  # jmp *x(%rip): jmp x; nop
        data[offset - 2] = 0xE9
        data[offset - 1 : offset + 3] = data[offset : offset + 4]
        data[offset + 3] = 0x90
        return Relocation(offset - 1, elf.R_X86_64_PC32, symbol, addend)
    data[offset - 2], data[offset - 1] = 0x67, 0xE8  # call *x(%rip): addr32 call x
    return Relocation(offset, elf.R_X86_64_PC32, symbol, addend)


def initial_to_local(section: InputSection, offset: int) -> bool:
    """GOTTPOFF: ``mov x@gottpoff(%rip), reg`` or ``add`` becomes an immediate form. False: not such an instruction."""
    if offset < 3 or offset + 4 > section.size:
        return False
    data = section.data
    rex, opcode, modrm = data[offset - 3], data[offset - 2], data[offset - 1]
    if opcode not in (0x8B, 0x03) or modrm & 0xC7 != 5:
        return False
    register = modrm >> 3 & 7
    data = writable(section)
    if opcode == 0x8B:
        data[offset - 3] = 0x49 if rex == 0x4C else (0x41 if rex == 0x44 else rex)
        data[offset - 2], data[offset - 1] = 0xC7, 0xC0 | register
    elif register == 4:
        data[offset - 3] = 0x49 if rex == 0x4C else (0x41 if rex == 0x44 else rex)
        data[offset - 2], data[offset - 1] = 0x81, 0xC0 | register
    else:
        data[offset - 3] = 0x4D if rex == 0x4C else (0x45 if rex == 0x44 else rex)
        data[offset - 2], data[offset - 1] = 0x8D, 0x80 | register | register << 3
    return True


_MOV_FS = bytes.fromhex("64488b042500000000")  # mov %fs:0, %rax


def general_to_local(section: InputSection, offset: int) -> int | None:
    """TLSGD: the call of __tls_get_addr becomes ``mov %fs:0,%rax; lea x@tpoff(%rax),%rax``. Where the field is, or None."""
    data = section.data
    if offset < 4 or offset + 12 > section.size or bytes(data[offset - 4 : offset]) != b"\x66\x48\x8d\x3d":
        return None
    data = writable(section)
    data[offset - 4 : offset + 12] = _MOV_FS + b"\x48\x8d\x80\0\0\0\0"
    return offset + 8


def general_to_initial(section: InputSection, offset: int) -> int | None:
    """TLSGD in an executable for a variable of a shared library: ``mov %fs:0,%rax; add x@gottpoff(%rip),%rax``."""
    data = section.data
    if offset < 4 or offset + 12 > section.size or bytes(data[offset - 4 : offset]) != b"\x66\x48\x8d\x3d":
        return None
    data = writable(section)
    data[offset - 4 : offset + 12] = _MOV_FS + b"\x48\x03\x05\0\0\0\0"
    return offset + 8


def local_dynamic_to_local(section: InputSection, offset: int) -> bool:
    """TLSLD: the call becomes ``data16 … mov %fs:0,%rax``."""
    data = section.data
    if offset < 3 or offset + 9 > section.size or bytes(data[offset - 3 : offset]) != b"\x48\x8d\x3d":
        return False
    indirect = data[offset + 4] == 0xFF
    writable(section)[offset - 3 : offset + (10 if indirect else 9)] = (
        b"\x66" * (4 if indirect else 3) + _MOV_FS
    )
    return True


def descriptor_to_local(section: InputSection, offset: int) -> bool:
    """GOTPC32_TLSDESC: ``lea x@tlsdesc(%rip),%rax`` becomes ``mov $x@tpoff,%rax``."""
    if offset < 3 or offset + 4 > section.size:
        return False
    data = writable(section)
    rex, modrm = data[offset - 3], data[offset - 1]
    data[offset - 3] = (rex & 0xFB) | (rex >> 2 & 1)
    data[offset - 2], data[offset - 1] = 0xC7, 0xC0 | (modrm >> 3 & 7)
    return True


def descriptor_to_initial(section: InputSection, offset: int) -> bool:
    """GOTPC32_TLSDESC: ``lea x@tlsdesc(%rip),%rax`` becomes ``mov x@gottpoff(%rip),%rax``."""
    if offset < 3 or offset + 4 > section.size or section.data[offset - 2] != 0x8D:
        return False
    writable(section)[offset - 2] = 0x8B
    return True
