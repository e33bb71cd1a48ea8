"""Apply relocations: x86-64 psABI table 4.9 and the i386 psABI's, with ld's overflow rules.

``apply`` is the hot path: plain absolute and PC-relative fields are done in place; what needs the GOT, a PLT or thread-local
storage is handed to ``special``.
"""

from __future__ import annotations

from struct import Struct

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import (
    UNDEFINED,
    UNDEFINED_WEAK,
    Entry,
    InputFile,
    InputSection,
    OutputSection,
    Relocation,
)
from toolkit.asm.link.special import Special

_FIELDS = {1: Struct("<B"), 2: Struct("<H"), 4: Struct("<I"), 8: Struct("<Q")}
_SIGNED, _UNSIGNED, _BITFIELD, _ANY = range(4)

# type → (size in bytes, relative, overflow rule)
PLAIN_64: dict[int, tuple[int, bool, int]] = {
    elf.R_X86_64_64: (8, False, _ANY),
    elf.R_X86_64_PC32: (4, True, _SIGNED),
    elf.R_X86_64_32: (4, False, _UNSIGNED),
    elf.R_X86_64_32S: (4, False, _SIGNED),
    elf.R_X86_64_16: (2, False, _BITFIELD),
    elf.R_X86_64_PC16: (2, True, _BITFIELD),
    elf.R_X86_64_8: (1, False, _BITFIELD),
    elf.R_X86_64_PC8: (1, True, _SIGNED),
    elf.R_X86_64_PC64: (8, True, _ANY),
    elf.R_X86_64_PLT32: (4, True, _SIGNED),
}
PLAIN_32: dict[int, tuple[int, bool, int]] = {
    elf.R_386_32: (4, False, _ANY),
    elf.R_386_PC32: (4, True, _ANY),
    elf.R_386_16: (2, False, _BITFIELD),
    elf.R_386_PC16: (2, True, _BITFIELD),
    elf.R_386_8: (1, False, _BITFIELD),
    elf.R_386_PC8: (1, True, _SIGNED),
    elf.R_386_PLT32: (4, True, _ANY),
}


def overflows(value: int, size: int, rule: int) -> bool:
    """BFD's complain_overflow_* for a field of ``size`` bytes."""
    bits = size * 8
    if rule == _ANY:
        return False
    if rule == _SIGNED:
        return not -(1 << bits - 1) <= value < 1 << bits - 1
    if rule == _UNSIGNED:
        return not 0 <= value < 1 << bits
    return not -(1 << bits - 1) <= value < 1 << bits


def apply(context: Context, image: bytearray, special: Special | None) -> None:
    """Relocate every input section that is in the output, in the file image."""
    plain = PLAIN_64 if context.is64 else PLAIN_32
    if context.is_dynamic:  # a call through the PLT need not go where other references do
        plain = {
            kind: row for kind, row in plain.items() if kind != elf.R_X86_64_PLT32
        }  # R_386_PLT32 is 4 too
    mask = (1 << 64) - 1 if context.is64 else (1 << 32) - 1
    for file in context.files:
        addresses: dict[int, int | None] = {}
        for section in file.sections:
            if section is None or not section.relocations or section.output is None or section.output.removed:
                continue
            _apply_section(context, image, file, section, plain, addresses, mask, special)


def reverse_starts(context: Context, image: bytearray) -> None:
    """Turn round what runs backwards: .ctors among .init_array, .dtors among .fini_array (SEC_ELF_REVERSE_COPY)."""
    word = context.word
    for output in context.outputs:
        for section in output.inputs:
            if section.size > word and runs_backwards(section):
                at = output.file_offset + section.offset
                words = [image[i : i + word] for i in range(at, at + section.size, word)]
                image[at : at + section.size] = b"".join(reversed(words))


def runs_backwards(section: InputSection) -> bool:
    """Whether its words are copied from the last to the first."""
    names = {".init_array": ".ctors", ".fini_array": ".dtors"}
    name = names.get(section.output.name) if section.output is not None else None
    return name is not None and (section.name == name or section.name.startswith(name + "."))


def _apply_section(
    context: Context,
    image: bytearray,
    file: InputFile,
    section: InputSection,
    plain: dict[int, tuple[int, bool, int]],
    addresses: dict[int, int | None],
    mask: int,
    special: Special | None,
) -> None:
    output = section.output
    assert output is not None
    base = output.file_offset + section.offset
    start = output.address + section.offset
    size = section.size
    for relocation in section.relocations:
        offset, kind, number, addend = relocation
        row = plain.get(kind)
        if row is None:
            if kind == 0:
                continue
            _apply_special(context, image, file, section, relocation, special)
            continue
        width, relative, rule = row
        at = base + offset
        if offset + width > size:
            _outside(context, section, offset, kind)
            continue
        field = _FIELDS[width]
        if number in addresses:
            target = addresses[number]
        else:
            target = address_of(context, file, number)
            if special is not None and number:
                target = special.target(special.key(file, number), target)
            addresses[number] = target
        if target is None:
            target = missing_target(context, file, section, relocation.offset, number)
            if target is None:
                field.pack_into(image, at, 0)
                continue
        if addend is None:
            addend = field.unpack_from(image, at)[0]
            if addend >> (8 * width - 1):
                addend -= 1 << 8 * width
        symbol = file.symbols[number]
        if symbol.type == elf.STT_SECTION and symbol.section < len(file.sections):
            merged = file.sections[symbol.section]
            if merged is not None and merged.moved is not None and merged.output is not None:
                value = _in_moved(merged, symbol.value, addend)
                value -= start + offset if relative else 0
                field.pack_into(image, at, value & ((1 << 8 * width) - 1))
                continue
        value = target + addend
        if relative:
            value -= start + offset
            if rule == _ANY:
                value &= mask
        elif rule in (_UNSIGNED, _BITFIELD):
            value &= mask
        if rule != _ANY and overflows(value if rule == _UNSIGNED else _as_signed(value, mask), width, rule):
            _overflow(context, file, section, offset, kind, number)
            continue
        field.pack_into(image, at, value & ((1 << 8 * width) - 1))


def _apply_special(
    context: Context,
    image: bytearray,
    file: InputFile,
    section: InputSection,
    relocation: Relocation,
    special: Special | None,
) -> None:
    """A field that wants the GOT, a PLT or thread-local storage."""
    offset, kind, number, addend = relocation
    output = section.output
    if special is None or output is None:
        _unsupported(context, section, offset, kind)
        return
    key = special.key(file, number)
    if isinstance(key, Entry) and key.state == UNDEFINED and not special.is_preemptible(key):
        missing_target(context, file, section, offset, number)
        return
    at = output.file_offset + section.offset + offset
    if addend is None:
        if offset + 4 > section.size:
            _outside(context, section, offset, kind)
            return
        relocation = relocation._replace(addend=_FIELDS[4].unpack_from(image, at)[0])
    found = special.value_of(relocation, key, section, output.address + section.offset + offset)
    if found is None:
        _unsupported(context, section, offset, kind)
        return
    value, width = found
    if offset + width > section.size:
        _outside(context, section, offset, kind)
        return
    if width == 4 and context.is64 and overflows(value, 4, _SIGNED):
        _overflow(context, file, section, offset, kind, number)
        return
    _FIELDS[width].pack_into(image, at, value & ((1 << 8 * width) - 1))


def _in_moved(section: InputSection, value: int, addend: int) -> int:
    """Address of section symbol + addend where the section's parts were merged (the addend counts, as for ld)."""
    assert section.output is not None
    assert section.moved is not None
    return section.output.address + section.moved.place(value + addend)


def _as_signed(value: int, mask: int) -> int:
    value &= mask
    return value - mask - 1 if value > mask >> 1 else value


def address_of(context: Context, file: InputFile, number: int) -> int | None:
    """The address a symbol number stands for; None where there is none (undefined, or in a discarded section)."""
    if number >= file.first_global:
        entry = file.entries[number - file.first_global]
        assert entry is not None
        return entry_address(entry)
    symbol = file.symbols[number]
    if symbol.section == elf.SHN_UNDEF:
        return 0
    if symbol.section >= len(file.sections):
        return symbol.value
    section = file.sections[symbol.section]
    if section is None or section.output is None:
        return None
    if section.moved is not None and symbol.type != elf.STT_SECTION:
        return section.output.address + section.moved.place(symbol.value)
    return section.output.address + section.offset + symbol.value


def entry_address(entry: Entry) -> int | None:
    """The address of a global name; 0 for an undefined weak one, None when undefined or discarded."""
    if entry.is_defined:
        section = entry.section
        if section is None:
            return entry.value
        if isinstance(section, OutputSection):
            return section.address + entry.value
        return entry.address if section.output is not None else None
    return 0 if entry.state == UNDEFINED_WEAK else None


def missing_target(
    context: Context, file: InputFile, section: InputSection, offset: int, number: int
) -> int | None:
    """Report what a relocation refers to in vain; an address when the reference is harmless."""
    from toolkit.asm.link.resolve import undefined_help

    entry = file.entries[number - file.first_global] if number >= file.first_global else None
    if entry is None or entry.state != UNDEFINED:
        return (
            0
            if not section.flags & elf.SHF_ALLOC or section.name == ".eh_frame"
            else _discarded(context, file, section, offset, number)
        )
    if context.may_lack(entry):
        return 0
    place, line = context.where(section, offset)
    context.say(
        "error",
        f"undefined reference to `{entry.name}'",
        place,
        line=line,
        help=undefined_help(context, entry.name),
        ld_message=f"{context.place(section, offset)}: undefined reference to `{entry.name}'",
    )
    return None


def _discarded(
    context: Context, file: InputFile, section: InputSection, offset: int, number: int
) -> int | None:
    symbol = file.symbols[number]
    target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
    name = target.name if target is not None else "?"
    place, line = context.where(section, offset)
    context.say(
        "error",
        f"`{symbol.name or name}' referenced in section `{section.name}' is defined in discarded section `{name}'",
        place,
        line=line,
    )
    return None


def _unsupported(context: Context, section: InputSection, offset: int, kind: int) -> None:
    name = elf.RELOCATION_NAMES[context.machine].get(kind, f"{kind:#x}")
    context.say(
        "error",
        f"{section.name}+{offset:#x}: relocation {name} is not supported",
        section.file.name,
        ld_message=f"{section.file.name}: unsupported relocation type {kind:#x}",
    )


def _outside(context: Context, section: InputSection, offset: int, kind: int) -> None:
    context.say(
        "error",
        f"{section.name}+{offset:#x}: the relocation lies partly outside the section",
        section.file.name,
    )


def _overflow(
    context: Context, file: InputFile, section: InputSection, offset: int, kind: int, number: int
) -> None:
    """ld's "relocation truncated to fit"."""
    symbol = file.symbols[number]
    relocation = elf.RELOCATION_NAMES[context.machine].get(kind, str(kind))
    if number >= file.first_global:
        entry = file.entries[number - file.first_global]
        assert entry is not None
        what = f"symbol `{entry.name}'"
        if isinstance(entry.section, InputSection):
            what += f" defined in {entry.section.name} section in {entry.section.file.name}"
    else:
        target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
        what = f"`{symbol.name or (target.name if target else '*ABS*')}'"
    place, line = context.where(section, offset)
    context.say(
        "error",
        f"relocation truncated to fit: {relocation} against {what}",
        place,
        line=line,
        help="the address does not fit the field: use a 64-bit register with `mov reg, symbol' or `lea reg, [rel symbol]', "
        "or a `dq' for data",
        ld_message=f"{context.place(section, offset)}: relocation truncated to fit: {relocation} against {what}",
    )
