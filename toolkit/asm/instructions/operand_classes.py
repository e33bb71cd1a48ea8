"""Operand classes as bit sets, laid out so that ``template & ~operand == 0`` says "the operand belongs to the template".

The bits follow nasm's opflags.h in meaning: an operand carries every class it belongs to (``al`` is a register, a
general register, an 8-bit operand, the accumulator, and good for an r/m field), a form's operand the classes it
asks for. Subclass bits mean different things for registers, memory and immediates, which never meet.
"""

from __future__ import annotations

from functools import cache

# What it is.
REGISTER = 1 << 0
IMMEDIATE = 1 << 1
RM_FIELD = 1 << 2  # fits the r/m field of a ModRM byte
MEMORY = 1 << 3 | RM_FIELD

# How it was written.
TO = 1 << 4
COLON = 1 << 5
STRICT = 1 << 6

# Register files.
CLASS_CONTROL = 1 << 7
CLASS_GENERAL = 1 << 8
CLASS_SEGMENT = 1 << 9
CLASS_X87 = 1 << 10
CLASS_MMX = 1 << 11
CLASS_XMM = 1 << 12
CLASS_YMM = 1 << 13
CLASS_ZMM = 1 << 14
CLASS_OPMASK = 1 << 15
CLASS_BOUND = 1 << 16
CLASS_TILE = 1 << 17


def subclass(*bits: int) -> int:
    """The classes that tell operands of one kind apart; a bit means something else for each kind."""
    return sum(1 << 18 + bit for bit in bits)


# Sizes, and the distances of branches, which nasm matches as sizes.
BITS8 = 1 << 33
BITS16 = 1 << 34
BITS32 = 1 << 35
BITS64 = 1 << 36
BITS80 = 1 << 37
BITS128 = 1 << 38
BITS256 = 1 << 39
BITS512 = 1 << 40
FAR = 1 << 41
NEAR = 1 << 42
SHORT = 1 << 43
SIZE_MASK = (1 << 44) - (1 << 33)
REGISTER_SET_SHIFT = 44  # sets of 2, 4, 8, 16, 32 registers
REGISTER_SET_MASK = 0b11111 << REGISTER_SET_SHIFT

SIZE_OF_BYTES = {
    0: 0,
    1: BITS8,
    2: BITS16,
    4: BITS32,
    8: BITS64,
    10: BITS80,
    16: BITS128,
    32: BITS256,
    64: BITS512,
}
BYTES_OF_SIZE = {size: count for count, size in SIZE_OF_BYTES.items() if size}
DISTANCES = {"short": SHORT, "near": NEAR, "far": FAR}

# General registers.
REG_RM = REGISTER | RM_FIELD
GENERAL = CLASS_GENERAL | REG_RM
NOT_ACCUMULATOR = subclass(5)
ACCUMULATOR = subclass(1) | GENERAL
COUNTER = NOT_ACCUMULATOR | subclass(2) | GENERAL
DATA = NOT_ACCUMULATOR | subclass(3) | GENERAL
HIGH_BYTE = NOT_ACCUMULATOR | subclass(4) | GENERAL | BITS8

# Other registers.
SEGMENT = CLASS_SEGMENT | REGISTER | BITS16
SEGMENT_FS_GS = SEGMENT | subclass(4)
CONTROL = CLASS_CONTROL | REGISTER | BITS32 | subclass(1)
DEBUG = CLASS_CONTROL | REGISTER | BITS32 | subclass(2)
TEST = CLASS_CONTROL | REGISTER | BITS32 | subclass(3)
X87 = CLASS_X87 | REGISTER
X87_TOP = X87 | subclass(1)
MMX = CLASS_MMX | REG_RM
BELOW_16 = subclass(6)  # a vector register that needs no EVEX
NUMBER_0 = subclass(1)
XMM = CLASS_XMM | REG_RM
YMM = CLASS_YMM | REG_RM
ZMM = CLASS_ZMM | REG_RM
VECTOR = CLASS_XMM | CLASS_YMM | CLASS_ZMM
TILE = CLASS_TILE | REG_RM
OPMASK = CLASS_OPMASK | REG_RM
BOUND = CLASS_BOUND | REG_RM

# Memory.
MEM_OFFSET = MEMORY | subclass(1)  # a bare address, as the accumulator's moffs forms take it
MEM_RIP = MEMORY | subclass(2)
MEM_XMM = MEMORY | subclass(3)
MEM_YMM = MEMORY | subclass(4)
MEM_ZMM = MEMORY | subclass(5)
MEMORY_ANY = MEMORY | CLASS_GENERAL | CLASS_MMX | VECTOR | BELOW_16 | CLASS_OPMASK | CLASS_BOUND

# Immediates.
UNITY = IMMEDIATE | subclass(0)
SIGNED_BYTE_WORD = IMMEDIATE | subclass(1)  # -128…127 modulo 2^16
SIGNED_BYTE_DWORD = IMMEDIATE | subclass(2)  # -128…127 modulo 2^32
SIGNED_DWORD = IMMEDIATE | subclass(3)
UNSIGNED_DWORD = IMMEDIATE | subclass(4)

# Decorators a form's operand admits.
MASK = 1
ZEROING = 2
ROUNDING = 4
SAE = 8
BROADCAST = 16
_BROADCASTS = {"b16": BITS16, "b32": BITS32, "b64": BITS64}
_DECORATORS = {"mask": MASK, "z": ZEROING, "er": ROUNDING, "sae": SAE}

_SIZES = {
    "8": BITS8,
    "16": BITS16,
    "32": BITS32,
    "64": BITS64,
    "80": BITS80,
    "128": BITS128,
    "256": BITS256,
    "512": BITS512,
}
_WORDS = {
    "mem": MEMORY,
    "mem_offs": MEM_OFFSET,
    "xmem": MEM_XMM,
    "ymem": MEM_YMM,
    "zmem": MEM_ZMM,
    "imm": IMMEDIATE,
    "unity": UNITY,
    "sbyteword": SIGNED_BYTE_WORD,
    "sbytedword": SIGNED_BYTE_DWORD,
    "sdword": SIGNED_DWORD,
    "udword": UNSIGNED_DWORD,
    "reg": GENERAL,
    "rm": CLASS_GENERAL | RM_FIELD,
    "mmxreg": MMX,
    "mmxrm": CLASS_MMX | RM_FIELD,
    "xmmreg": XMM,
    "xmmrm": CLASS_XMM | RM_FIELD,
    "ymmreg": YMM,
    "ymmrm": CLASS_YMM | RM_FIELD,
    "zmmreg": ZMM,
    "zmmrm": CLASS_ZMM | RM_FIELD,
    "tmmreg": TILE,
    "kreg": OPMASK,
    "krm": CLASS_OPMASK | RM_FIELD,
    "bndreg": BOUND,
    "fpureg": X87,
    "reg_sreg": SEGMENT,
    "reg_creg": CONTROL,
    "reg_dreg": DEBUG,
    "reg_treg": TEST,
    "to": TO,
    "colon": COLON,
    "far": FAR,
    "near": NEAR,
    "short": SHORT,
}
_WHOLE_WORDS = {
    "fpu0": X87_TOP,
    "xmm0": XMM | BELOW_16 | NUMBER_0,
    "reg_al": ACCUMULATOR | BITS8,
    "reg_ax": ACCUMULATOR | BITS16,
    "reg_eax": ACCUMULATOR | BITS32,
    "reg_rax": ACCUMULATOR | BITS64,
    "reg_cl": COUNTER | BITS8,
    "reg_cx": COUNTER | BITS16,
    "reg_ecx": COUNTER | BITS32,
    "reg_rcx": COUNTER | BITS64,
    "reg_dl": DATA | BITS8,
    "reg_dx": DATA | BITS16,
    "reg_edx": DATA | BITS32,
    "reg_rdx": DATA | BITS64,
    "reg_es": SEGMENT | subclass(0, 2),
    "reg_cs": SEGMENT | subclass(1, 2),
    "reg_ss": SEGMENT | subclass(0, 3),
    "reg_ds": SEGMENT | subclass(1, 3),
    "reg_fs": SEGMENT | subclass(0, 4),
    "reg_gs": SEGMENT | subclass(1, 4),
    "reg32na": GENERAL | BITS32 | NOT_ACCUMULATOR,
    "rs2": 1 << REGISTER_SET_SHIFT,
    "rs4": 2 << REGISTER_SET_SHIFT,
}
_VECTOR_WORDS = ("xmm", "ymm", "zmm")


@cache
def parse_operand(words: str, evex: bool) -> tuple[int, int, int]:
    """One operand of a form, ``zmmrm512|b64|sae``, as (classes, decorators, size of a broadcast element).

    ``evex``: the form has the EVEX prefix and so takes vector registers above 15. Raises KeyError for an unknown word.
    """
    classes = decorators = element = 0
    for word in words.split("|"):
        if word in _DECORATORS:
            decorators |= _DECORATORS[word]
        elif word in _BROADCASTS:
            decorators |= BROADCAST
            element = _BROADCASTS[word]
        else:
            classes |= _word_classes(word, evex)
    return classes, decorators, element


def _word_classes(word: str, evex: bool) -> int:
    if word in _WHOLE_WORDS:
        return _WHOLE_WORDS[word]
    name = word.rstrip("0123456789")
    classes = _WORDS[name] | (_SIZES[word[len(name) :]] if name != word else 0)
    if not evex and name.startswith(_VECTOR_WORDS):
        classes |= BELOW_16
    return classes
