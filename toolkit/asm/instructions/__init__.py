"""nasm's instruction table and names: mnemonics, forms, registers, sizes, prefixes and decorators.

Pure data; nothing here knows how to encode. The table is compiled from nasm 2.16.01's insns.dat (BSD-2, notice in
``forms.txt``).
"""

from __future__ import annotations

from toolkit.asm.instructions.forms import (
    CPU_LATE_VEX,
    CPU_LEVEL_MASK,
    CPU_LEVELS,
    CPU_NO_EVEX,
    CPU_NO_VEX,
    Form,
    forms,
    forms_by_count,
    is_mnemonic,
    mnemonics,
)
from toolkit.asm.instructions.registers import REGISTERS, Register
from toolkit.asm.instructions.words import (
    DECORATORS,
    PREFIXES,
    SIZE_KEYWORDS,
    SPECIAL_KEYWORDS,
    PrefixSlot,
    is_prefix,
    is_register,
    parse_cpu,
    register_class,
    register_size,
)

__all__ = [
    "CPU_LATE_VEX",
    "CPU_LEVELS",
    "CPU_LEVEL_MASK",
    "CPU_NO_EVEX",
    "CPU_NO_VEX",
    "DECORATORS",
    "PREFIXES",
    "REGISTERS",
    "SIZE_KEYWORDS",
    "SPECIAL_KEYWORDS",
    "Form",
    "PrefixSlot",
    "Register",
    "forms",
    "forms_by_count",
    "is_mnemonic",
    "is_prefix",
    "is_register",
    "mnemonics",
    "parse_cpu",
    "register_class",
    "register_size",
]
