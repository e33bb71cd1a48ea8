"""Instructions that any CPU refuses but the engine runs, told from the bytes alone (SDM volume 2, chapter 2).

Capstone does not decode them, and the engine is lax about them: LOCK where it is not allowed, 3DNow!, control
registers that do not exist, RDPMC.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIXES = frozenset(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")
LOCK = 0xF0
MEMORY_DESTINATION = frozenset(
    (0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x86, 0x87)
)
LOCKABLE_GROUPS = {
    **dict.fromkeys((0x80, 0x81, 0x82, 0x83), range(7)),
    **dict.fromkeys((0xFE, 0xFF), range(2)),
    **dict.fromkeys((0xF6, 0xF7), range(2, 4)),
}
LOCKABLE_TWO_BYTE = frozenset((0xAB, 0xB0, 0xB1, 0xB3, 0xBB, 0xC0, 0xC1))
LOCKABLE_TWO_BYTE_GROUPS = {0xBA: range(5, 8), 0xC7: range(1, 2)}
REGISTER_ONLY = frozenset((0x50, 0x71, 0x72, 0x73, 0xC5, 0xD7, 0xF7))
LAST_EXTENSIONS = {0x8F: 0, 0xC6: 0, 0xC7: 0, 0xFE: 1, 0xFF: 6}
VEX_LEADS = frozenset((0x62, 0xC4, 0xC5))
NO_MODRM = -1  # the code ends before it
CONTROL_REGISTERS = frozenset((0, 2, 3, 4, 8))


@dataclass(frozen=True, slots=True)
class Opcode:
    """Where an instruction's parts are: `map` 0 for one byte, 1 for 0F, 2 for 0F38 and 0F3A."""

    locked: bool
    rex: int
    map: int
    value: int
    modrm: int

    @property
    def extension(self) -> int:
        """The reg field of ModRM."""
        return self.modrm >> 3 & 7


def parse(code: bytes, bits: int) -> Opcode | None:
    """The first instruction's opcode; None when `code` ends before it."""
    place, rex, locked = 0, 0, False
    while place < len(code):
        byte = code[place]
        if bits == 64 and byte & 0xF0 == 0x40:
            rex = byte
        elif byte in PREFIXES:  # a REX before it does not count
            rex, locked = 0, locked or byte == LOCK
        else:
            break
        place += 1
    number = 0
    if code[place : place + 1] == b"\x0f":
        number = 2 if code[place + 1 : place + 2] in (b"\x38", b"\x3a") else 1
        place += number
    if place >= len(code):
        return None
    return Opcode(locked, rex, number, code[place], code[place + 1] if place + 1 < len(code) else NO_MODRM)


UNLISTED_TWO_BYTE = frozenset((0x0D, *range(0x18, 0x20)))
"""Hints that do nothing, in all their forms."""


def unlisted_length(code: bytes, bits: int) -> int:
    """The length of the first instruction if CPUs run it and Capstone does not know it, else 0.

    Such are the x87 instructions' second encodings, and hints.
    """
    opcode = parse(code, bits)
    if opcode is None or opcode.locked or opcode.modrm == NO_MODRM:
        return 0
    x87 = opcode.map == 0 and 0xD8 <= opcode.value <= 0xDF and opcode.modrm >= 0xC0
    if not x87 and not (opcode.map == 1 and opcode.value in UNLISTED_TWO_BYTE):
        return 0
    start = prefixes(code, bits) + opcode.map + 1
    length = start + modrm_length(code[start:])
    return length if length <= min(len(code), 15) else 0


def prefixes(code: bytes, bits: int) -> int:
    """How many bytes of prefixes `code` begins with."""
    return next(
        (
            place
            for place, byte in enumerate(code)
            if byte not in PREFIXES and not (bits == 64 and byte & 0xF0 == 0x40)
        ),
        len(code),
    )


def modrm_length(code: bytes) -> int:
    """The length of a ModRM byte with what belongs to it: SIB and displacement (32- and 64-bit addressing)."""
    mod, low = code[0] >> 6, code[0] & 7
    if mod == 3:
        return 1
    base = code[1] & 7 if low == 4 and len(code) > 1 else low
    displacement = {0: 4 if base == 5 else 0, 1: 1, 2: 4}[mod]
    return 1 + (low == 4) + displacement


def lock_is_allowed(opcode: Opcode) -> bool:
    """LOCK goes with a few read-modify-write instructions whose destination is in memory."""
    if opcode.modrm >= 0xC0:
        return False
    if opcode.map == 0:
        if opcode.modrm == NO_MODRM:
            return opcode.value in MEMORY_DESTINATION or opcode.value in LOCKABLE_GROUPS
        group = LOCKABLE_GROUPS.get(opcode.value)
        return opcode.value in MEMORY_DESTINATION or (group is not None and opcode.extension in group)
    if opcode.map == 1:
        group = LOCKABLE_TWO_BYTE_GROUPS.get(opcode.value)
        return opcode.value in LOCKABLE_TWO_BYTE or (group is not None and opcode.extension in group)
    return False


def fault(code: bytes, bits: int) -> str:
    """What a CPU has against the first instruction: "invalid", "lock", "vex", "privileged", or '' for nothing."""
    opcode = parse(code, bits)
    if opcode is None:
        return ""
    if opcode.locked and not lock_is_allowed(opcode):
        return "lock"
    if opcode.map == 1 and opcode.value == 0x33:
        return "privileged"
    if opcode.modrm == NO_MODRM:
        return ""
    if opcode.map == 0:
        return fault_of_one_byte(opcode, bits)
    return fault_of_two_bytes(opcode) if opcode.map == 1 else ""


def fault_of_one_byte(opcode: Opcode, bits: int) -> str:
    """Groups that are not full (8F's rest is XOP); VEX leads are LES, LDS and BOUND only in 32-bit code."""
    if opcode.value in VEX_LEADS and (bits == 64 or opcode.modrm >= 0xC0):
        return "vex"
    last = LAST_EXTENSIONS.get(opcode.value)
    return "invalid" if last is not None and opcode.extension > last else ""


def fault_of_two_bytes(opcode: Opcode) -> str:
    """3DNow!, control registers that do not exist, memory where only registers are encoded."""
    if opcode.value == 0xBA and opcode.extension < 4:
        return "invalid"
    if opcode.value in REGISTER_ONLY and opcode.modrm < 0xC0:
        return "invalid"
    if opcode.value in (0x20, 0x22) and opcode.extension | (opcode.rex & 4) << 1 not in CONTROL_REGISTERS:
        return "invalid"
    return "invalid" if opcode.value == 0x0F else ""
