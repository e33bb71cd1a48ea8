"""The initial stack of a program: strings, auxiliary vector, pointers (fs/exec.c, fs/binfmt_elf.c create_elf_tables)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.abi import process as p
from toolkit.abi.memory import PAGE_SIZE
from toolkit.kernel.elf_image import PAGE_LOW, Image
from toolkit.kernel.exec_image import Mapped
from toolkit.kernel.mm.space import AddressSpace
from toolkit.personality.layout import Personality

if TYPE_CHECKING:
    from toolkit.kernel.exec import Request
    from toolkit.kernel.task import Process

STACK_EXPAND = 32 * PAGE_SIZE


@dataclass(slots=True)
class Strings:
    """The strings at the top of the stack and where they lie."""

    data: bytes
    address: int
    arguments: list[int]
    environment: list[int]
    name: int
    argument_end: int
    environment_end: int


def place_strings(request: Request, personality: Personality) -> Strings:
    """argv, envp and the file name, downwards from eight zero bytes below the stack's end (fs/exec.c)."""
    top = personality.layout.stack_top - 8
    name = top - len(request.name) - 1
    pieces = [text + b"\0" for text in (*request.arguments, *request.environment)]
    address = name - sum(map(len, pieces))
    places, at = [], address
    for piece in pieces:
        places.append(at)
        at += len(piece)
    count = len(request.arguments)
    argument_end = places[count] if count < len(places) else name
    data = b"".join(pieces) + request.name + b"\0" + bytes(8)
    return Strings(data, address, places[:count], places[count:], name, argument_end, name)


def map_stack(
    process: Process, space: AddressSpace, personality: Personality, strings: Strings, executable: bool
) -> None:
    """setup_arg_pages(): the pages of the strings and 128 KiB more, within the stack limit."""
    top = personality.layout.stack_top
    used = top - (strings.address & ~PAGE_LOW)
    limit = min(process.limits.stack, 1 << 62) & ~PAGE_LOW
    space.map_stack(top, max(min(limit, used + STACK_EXPAND), used), executable=executable)
    space.write(strings.address, strings.data)


def write_tables(
    process: Process,
    space: AddressSpace,
    personality: Personality,
    request: Request,
    strings: Strings,
    image: Image,
    mapped: Mapped,
    base: int,
    vdso: int,
    vdso_entry: int,
) -> tuple[int, bytes]:
    """create_elf_tables(): platform, random bytes, auxv, envp, argv, argc. Returns the stack pointer and the auxv."""
    word = personality.word
    top = strings.address & ~15
    platform = top - len(personality.platform) - 1
    random_bytes = platform - 16
    who = process.credentials
    vector: list[tuple[int, int]] = []
    if personality.bits == 32:
        vector.append((p.AT_SYSINFO, vdso_entry))
    vector += [
        (p.AT_SYSINFO_EHDR, vdso),
        (p.AT_MINSIGSTKSZ, personality.minimum_signal_stack),
        (p.AT_HWCAP, personality.hwcap),
        (p.AT_PAGESZ, PAGE_SIZE),
        (p.AT_CLKTCK, p.CLOCKS_PER_SECOND),
        (p.AT_PHDR, mapped.program_headers),
        (p.AT_PHENT, elf.PHDR64.size if image.bits == 64 else elf.PHDR32.size),
        (p.AT_PHNUM, len(image.segments)),
        (p.AT_BASE, base),
        (p.AT_FLAGS, 0),
        (p.AT_ENTRY, mapped.entry),
        (p.AT_UID, who.uid),
        (p.AT_EUID, who.euid),
        (p.AT_GID, who.gid),
        (p.AT_EGID, who.egid),
        (p.AT_SECURE, int(who.uid != who.euid or who.gid != who.egid)),
        (p.AT_RANDOM, random_bytes),
        (p.AT_HWCAP2, personality.hwcap2),
        (p.AT_EXECFN, strings.name),
        (p.AT_PLATFORM, platform),
        (p.AT_RSEQ_FEATURE_SIZE, 0x1C),
        (p.AT_RSEQ_ALIGN, 0x20),
        (p.AT_NULL, 0),
    ]
    letter = "Q" if word == 8 else "I"
    mask = (1 << personality.bits) - 1
    auxiliary = b"".join(pack("<" + letter * 2, key, value & mask) for key, value in vector)
    pointers = [len(request.arguments), *strings.arguments, 0, *strings.environment, 0]
    table = pack(f"<{len(pointers)}{letter}", *pointers)
    stack = (random_bytes - len(auxiliary) - len(table)) & ~15
    space.write(random_bytes, process.kernel.random_bytes(16) + personality.platform.encode() + b"\0")
    space.write(stack, table + auxiliary)
    return stack, auxiliary
