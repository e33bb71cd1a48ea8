"""What a source line becomes before it is encoded: values, operands, instructions, fixups.

The preprocessor yields text lines, the parser turns each into one of these, the encoder turns an
``Instruction`` into bytes and ``Fixup``s, and layout repeats that until no label moves.
Modelled on nasm's expression vectors (eval.c) and ``insn``/``operand`` (nasm.h).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from toolkit.asm.diagnostics import Span
    from toolkit.asm.objfile import Section, Symbol

Base = Union["Section", "Symbol", str]  # a str is a register's name, lower case


@dataclass(frozen=True, slots=True)
class Value:
    """``constant + Σ coefficient · base``; 64-bit, ``constant`` kept in -2^63 … 2^63-1.

    ``terms`` holds sections (meaning the section's start), undefined or common symbols, and registers, each once, none
    with coefficient 0. ``forward``: some symbol in it is defined later in the file. ``unknown``: some symbol has
    no value yet in this pass (first pass); its constant is then no number to use.
    """

    constant: int = 0
    terms: tuple[tuple[Base, int], ...] = ()
    wrt: Base | None = None
    forward: bool = False
    unknown: bool = False

    @property
    def is_constant(self) -> bool:
        """No base at all: a plain number (nasm's ``is_really_simple``)."""
        return not self.terms and self.wrt is None


@dataclass(frozen=True, slots=True)
class RegisterOperand:
    """A register, with an AVX-512 opmask and ``{z}``; ``size`` in bytes is a written size keyword, 0 if none.

    ``set_size``: the number of registers of a set written ``zmm4+3`` (4), 0 if none. ``to``: the x87 keyword TO.
    """

    name: str
    opmask: str | None = None
    zeroing: bool = False
    size: int = 0
    span: Span | None = None
    set_size: int = 0
    to: bool = False


@dataclass(frozen=True, slots=True)
class ImmediateOperand:
    """An immediate or branch target. ``size`` in bytes: the written keyword (byte 1 … qword 8), 0 if none.

    Of ``word 0x10:dword 0x20`` ``segment`` and ``segment_size`` are 0x10 and 2, ``value`` and ``size`` 0x20 and 4.
    """

    value: Value
    size: int = 0
    strict: bool = False
    distance: str | None = None  # "short" | "near" | "far" | None
    segment: Value | None = None  # the first part of seg:offset
    to: bool = False  # the x87 keyword TO
    span: Span | None = None
    segment_size: int = 0


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """``size [segment: rel base + index*scale + displacement]`` after nasm's base/index rules were applied.

    ``value`` is the whole bracket as written (registers as terms); ``hint_base`` the register the programmer marked as base
    (written first without a multiplier) and ``hint_not_base`` one that was written with ``*1``.
    ``summed``: some term was written more than once (``[rax+rax]``, ``[rbx+4+4]``); no base is marked then.
    ``split_index``: the second part of ``[base, index*scale]`` (mib). ``relative``: True for rel, False for abs, None: by DEFAULT.
    """

    value: Value
    size: int = 0
    segment_override: str | None = None
    relative: bool | None = None
    displacement_size: int = 0  # [byte rax+5], [dword …]: bytes, 0 if not written
    no_split: bool = False  # [nosplit …]
    address_size: int = 0  # [a32 …] in bits
    hint_base: str | None = None
    hint_not_base: str | None = None
    split_index: Value | None = None
    distance: str | None = None
    strict: bool = False
    broadcast: int = 0  # {1to8}: 8
    opmask: str | None = None
    zeroing: bool = False
    to: bool = False
    span: Span | None = None
    summed: bool = False


Operand = RegisterOperand | ImmediateOperand | MemoryOperand


@dataclass(slots=True)
class Instruction:
    """One machine instruction as written. ``prefixes`` lower case in written order: rep, lock, o32, a32, fs, {evex} …

    ``decorators`` ({sae}, {rn-sae} …) were written after operand ``decorated_operand``; None: the last register or memory one.
    """

    mnemonic: str
    operands: tuple[Operand, ...] = ()
    prefixes: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    span: Span | None = None
    decorated_operand: int | None = None


@dataclass(frozen=True, slots=True)
class Fixup:
    """A field of ``size`` bytes at ``offset`` in an encoding (later: in the section) that a value fills.

    ``relative``: the field holds target - address of the *end of the instruction*; ``end`` is the distance in bytes from the field's
    start to that end, so the ELF addend is ``value.constant - end``. ``signed``: the field is sign-extended by the CPU
    (chooses R_X86_64_32S over R_X86_64_32).
    """

    offset: int
    size: int
    value: Value
    relative: bool = False
    end: int = 0
    signed: bool = False


@dataclass(slots=True)
class Encoding:
    """The bytes of one instruction; fields named by ``fixups`` hold zeros or the folded constant."""

    data: bytes
    fixups: tuple[Fixup, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class EncodingContext:
    """What encoding depends on beside the instruction. ``offset`` is where it starts in ``section`` in this pass."""

    bits: int = 64
    section: Section | None = None
    offset: int = 0
    default_relative: bool = False
    default_bound_relative: bool = False
    cpu: int = 0  # nasm's cpu level mask as instructions/ defines it; 0: everything
    optimise: int = -1  # -1: nasm's -Ox
    first_pass: bool = False
    extra: dict[str, object] = field(default_factory=dict)


def wrap64(value: int) -> int:
    """``value`` modulo 2^64 as a signed number."""
    return (value + 0x8000000000000000 & 0xFFFFFFFFFFFFFFFF) - 0x8000000000000000
