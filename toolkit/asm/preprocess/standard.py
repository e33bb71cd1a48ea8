"""The macros every program starts with, and the %use packages (nasm manual sections 4.11, 4.12, 5 and 6).

Compatible with the definitions nasm 2.16.01 lists with ``-Lb``, so that whatever a program does with them (``%ifmacro``,
``__?SECT?__``, ``%unmacro``) gives the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

from toolkit.asm.diagnostics import Diagnostic
from toolkit.asm.preprocess.engine import Engine
from toolkit.asm.preprocess.functions import function_table
from toolkit.asm.preprocess.macros import (
    MacroLine,
    MultiLineTable,
    SingleLineMacro,
    SingleLineTable,
    number_tokens,
)
from toolkit.asm.preprocess.state import InputFile
from toolkit.asm.preprocess.tokens import IDENTIFIER, STRING, Token, Tokens, quote, tokenize
from toolkit.asm.source import SourceFile, SourceTree
from toolkit.asm.statement import Value

_SECTIONS = """
%define __?SECT?__
%imacro section 1+.nolist
%define __?SECT?__ [section %1]
__?SECT?__
%endmacro
%imacro segment 1+.nolist
%define __?SECT?__ [segment %1]
__?SECT?__
%endmacro
%imacro absolute 1+.nolist
%define __?SECT?__ [absolute %1]
__?SECT?__
%endmacro
%define __?SECTALIGN_ALIGN_UPDATES_SECTION?__ 1
%imacro sectalign 1+.nolist
%ifidni %1,off
%define __?SECTALIGN_ALIGN_UPDATES_SECTION?__ 0
%elifidni %1,on
%define __?SECTALIGN_ALIGN_UPDATES_SECTION?__ 1
%else
[sectalign %1]
%endif
%endmacro
"""
_STRUCTURES = """
%imacro struc 1-2.nolist 0
%push
%define %$strucname %1
[absolute %2]
%$strucname:
%endmacro
%imacro endstruc 0.nolist
%{$strucname}_size equ ($-%$strucname)
%pop
__?SECT?__
%endmacro
%imacro istruc 1.nolist
%push
%define %$strucname %1
%$strucstart:
%endmacro
%imacro at 1-2+.nolist
%defstr %$member %1
%substr %$member1 %$member 1
%ifidn %$member1, '.'
times (%$strucname%1-%$strucname)-($-%$strucstart) db 0
%else
times (%1-%$strucname)-($-%$strucstart) db 0
%endif
%2
%endmacro
%imacro iend 0.nolist
times %{$strucname}_size-($-%$strucstart) db 0
%pop
%endmacro
"""
_PADDING = "(((%1) - (($-$$) % (%1))) % (%1))"
_ALIGNMENT = f"""
%imacro align 1-2+.nolist nop
%if __?SECTALIGN_ALIGN_UPDATES_SECTION?__
sectalign %1
%endif
times {_PADDING} %2
%endmacro
%imacro alignb 1-2+.nolist
%if __?SECTALIGN_ALIGN_UPDATES_SECTION?__
sectalign %1
%endif
%ifempty %2
[warning push]
[warning -zeroing]
resb {_PADDING}
[warning pop]
%else
times {_PADDING} %2
%endif
%endmacro
"""
_FLOATS = """
%define __?FLOAT_DAZ?__ nodaz
%define __?FLOAT_ROUND?__ near
%define __?FLOAT?__ __?FLOAT_DAZ?__,__?FLOAT_ROUND?__
%imacro float 1-*.nolist
%rep %0
[float %1]
%ifidni %1,daz
%define __?FLOAT_DAZ?__ daz
%elifidni %1,nodaz
%define __?FLOAT_DAZ?__ nodaz
%elifidni %1,near
%define __?FLOAT_ROUND?__ near
%elifidni %1,up
%define __?FLOAT_ROUND?__ up
%elifidni %1,down
%define __?FLOAT_ROUND?__ down
%elifidni %1,zero
%define __?FLOAT_ROUND?__ zero
%elifidni %1,default
%define __?FLOAT_DAZ?__ nodaz
%define __?FLOAT_ROUND?__ near
%endif
%rotate 1
%endrep
%endmacro
"""
_INCBIN = """
%imacro incbin 1-2+.nolist 0
%push
%pathsearch %$dep %1
%depend %$dep
%? %$dep,%2
%pop
%endmacro
"""
_VERSION = """
%define __?NASM_MAJOR?__ 2
%define __?NASM_MINOR?__ 16
%define __?NASM_SUBMINOR?__ 1
%define __?NASM_PATCHLEVEL?__ 0
%define __?NASM_VERSION_ID?__ 002100100h
%define __?NASM_VER?__ "2.16.01"
"""
_FORMAT_MACROS = {
    "elf": "%macro __?NASM_CDecl?__ 1\n%define $_%1 $%1\n%endmacro\n%imacro osabi 1+.nolist\n[%? %1]\n%endmacro\n",
    "bin": "%imacro org 1+.nolist\n[org %1]\n%endmacro\n%macro __?NASM_CDecl?__ 1\n%endmacro\n",
}
_ALIASED = [
    "SECT",
    "SECTALIGN_ALIGN_UPDATES_SECTION",
    "FLOAT_DAZ",
    "FLOAT_ROUND",
    "FLOAT",
    "NASM_MAJOR",
    "NASM_MINOR",
    "NASM_SUBMINOR",
    "NASM_PATCHLEVEL",
    "NASM_SNAPSHOT",
    "NASM_VERSION_ID",
    "NASM_VER",
    "OUTPUT_FORMAT",
    "DEBUG_FORMAT",
    "DATE",
    "DATE_NUM",
    "TIME",
    "TIME_NUM",
    "UTC_DATE",
    "UTC_DATE_NUM",
    "UTC_TIME",
    "UTC_TIME_NUM",
    "POSIX_TIME",
    "FILE",
    "LINE",
    "BITS",
    "PTR",
    "PASS",
]
_OPERATOR_NAMES = [
    "infinity",
    "nan",
    "qnan",
    "snan",
    "float8",
    "float16",
    "float32",
    "float64",
    "float80m",
    "float80e",
    "float128l",
    "float128h",
    "utf16",
    "utf16le",
    "utf16be",
    "utf32",
    "utf32le",
    "utf32be",
    "ilog2e",
    "ilog2w",
    "ilog2f",
    "ilog2c",
]


def _bracketed(name: str, parameters: str, directive: str) -> str:
    return f"%imacro {name} {parameters}.nolist\n[{directive}]\n%endmacro\n"


def _each(name: str) -> str:
    return f"%imacro {name} 1-*.nolist\n%rep %0\n[{name} %1]\n%rotate 1\n%endrep\n%endmacro\n"


def _standard_text(kind: str) -> str:
    aliases = "".join(f"%defalias __{name}__ __?{name}?__\n" for name in _ALIASED)
    operators = "".join(f"%idefine __?{n}?__ %?\n%idefalias __{n}__ __?{n}?__\n" for n in _OPERATOR_NAMES)
    directives = [
        _bracketed("bits", "1+", "bits %1"),
        *(_bracketed(f"use{bits}", "0", f"bits {bits}") for bits in (16, 32, 64)),
        *(_each(name) for name in ("extern", "static", "global", "required", "common")),
        _bracketed("cpu", "1+", "cpu %1"),
        _bracketed("default", "1+", "default %1"),
        *(_bracketed(f"use{word}", "0", f"default {word}") for word in ("rel", "abs", "bnd", "nobnd")),
    ]
    text = _SECTIONS + _STRUCTURES + _ALIGNMENT + "".join(directives) + _FLOATS + _INCBIN
    return (
        text + aliases + operators + _VERSION + "%define __?SECT?__ [section .text]\n" + _FORMAT_MACROS[kind]
    )


_REGISTERS = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")


def _alternative_registers() -> str:
    lines = [f"r{n}l r{n}b" for n in range(8, 16)]
    lines += [f"r{n} r{r}" for n, r in enumerate(_REGISTERS)]
    lines += [f"r{n}d e{r}" for n, r in enumerate(_REGISTERS)]
    lines += [f"r{n}w {r}" for n, r in enumerate(_REGISTERS)]
    for letter in "bl":
        lines += [f"r{n}{letter} {r[0] + 'l' if n < 4 else r + 'l'}" for n, r in enumerate(_REGISTERS)]
    lines += [f"r{n}h {r[0]}h" for n, r in enumerate(_REGISTERS[:4])]
    return "".join(f"%idefine {line}\n" for line in lines)


_NOP_PREFIXES = {1: "90", 2: "66 90", 3: "66 66 90", 4: "66 66 66 90"}
_NOP_LONG = {
    1: "90", 2: "66 90", 3: "0f 1f 00", 4: "0f 1f 40 00", 5: "0f 1f 44 00 00", 6: "66 0f 1f 44 00 00",
    7: "0f 1f 80 00 00 00 00", 8: "0f 1f 84 00 00 00 00 00",
}  # fmt: skip
_ONE = {1: "90"}
# mode: (jump threshold, paddings for 16, 32 and 64 bits)
_ALIGN_MODES: dict[str, tuple[int, dict[int, dict[int, str]]]] = {
    "nop": (16, {16: _ONE, 32: _ONE, 64: _ONE}),
    "generic": (
        8,
        {
            16: {
                1: "90", 2: "89 f6", 3: "8d 74 00", 4: "8d b4 00 00", 5: "8d b4 00 00 90", 6: "8d b4 00 00 89 ff",
                7: "8d b4 00 00 8d 7d 00", 8: "8d b4 00 00 8d bd 00 00",
            },
            32: {
                1: "90", 2: "89 f6", 3: "8d 76 00", 4: "8d 74 26 00", 5: "90 8d 74 26 00", 6: "8d b6 00 00 00 00",
                7: "8d b4 26 00 00 00 00",
            },
            64: _NOP_PREFIXES,
        },
    ),
    "k8": (16, {16: _NOP_PREFIXES, 32: _NOP_PREFIXES, 64: _NOP_PREFIXES}),
    "k7": (
        16,
        {
            16: _NOP_PREFIXES,
            32: {
                1: "90", 2: "8b c0", 3: "8d 04 20", 4: "8d 44 20 00", 5: "8d 44 20 00 90", 6: "8d 80 00 00 00 00",
                7: "8d 04 05 00 00 00 00",
            },
            64: _NOP_PREFIXES,
        },
    ),
    "p6": (16, {16: {n: _NOP_LONG[n] for n in range(1, 5)}, 32: _NOP_LONG, 64: _NOP_LONG}),
}  # fmt: skip


def _align_mode_text() -> str:
    lines = ["%imacro alignmode 1-2.nolist"]
    for position, (mode, (threshold, paddings)) in enumerate(_ALIGN_MODES.items()):
        lines.append(f"%{'el' if position else ''}ifidni %1,{mode}")
        lines.append(f"%define __?ALIGN_JMP_THRESHOLD?__ {threshold}")
        for bits, sequences in paddings.items():
            for length, code in sequences.items():
                data = ",".join("0x" + byte for byte in code.split())
                lines.append(f"%define __?ALIGN_{bits}BIT_{length}B?__ {data}")
            # in nasm's k7 mode the group of 16 bits is missing: its line names 64 bits instead
            if (mode, bits) != ("k7", 16):
                lines.append(f"%define __?ALIGN_{bits}BIT_GROUP?__ {len(sequences)}")
    return "\n".join(lines) + "\n"


_SMART_ALIGN = f"""
%else
%error unknown alignment mode: %1
%endif
%ifnempty %2
%ifidni %2,nojmp
%xdefine __?ALIGN_JMP_THRESHOLD?__ -1
%else
%xdefine __?ALIGN_JMP_THRESHOLD?__ %2
%endif
%endif
%xdefine __?ALIGNMODE?__ %1,__?ALIGN_JMP_THRESHOLD?__
%endmacro
%defalias __ALIGNMODE__ __?ALIGNMODE?__
%unimacro align 1-2+.nolist
%imacro align 1-2+.nolist
sectalign %1
%ifnempty %2
times {_PADDING} %2
%elif __?PASS?__ == 0 || __?PASS?__ == 3
times {_PADDING} nop
%else
%push
%assign %$pad {_PADDING}
%if __?ALIGN_JMP_THRESHOLD?__ != -1 && %$pad > __?ALIGN_JMP_THRESHOLD?__
jmp %$end
times {_PADDING} nop
%else
times (%$pad / __?ALIGN_%[__?BITS?__]BIT_GROUP?__) db __?ALIGN_%[__?BITS?__]BIT_%[__?ALIGN_%[__?BITS?__]BIT_GROUP?__]B?__
%assign %$pad %$pad % __?ALIGN_%[__?BITS?__]BIT_GROUP?__
%if %$pad > 0
db __?ALIGN_%[__?BITS?__]BIT_%[%$pad]B?__
%endif
%endif
%$end:
%pop
%endif
%endmacro
alignmode generic
"""
_FLOAT_WIDTHS = [
    "float8",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "float80m",
    "float80e",
    "float128l",
    "float128h",
]
_FP = (
    "%define Inf __?Infinity?__\n%define NaN __?QNaN?__\n%define QNaN __?QNaN?__\n%define SNaN __?SNaN?__\n"
    + "".join(f"%define {name}(x) __?{name}?__(x)\n" for name in _FLOAT_WIDTHS)
    + "%imacro bf16 1-*.nolist\n%rep %0\ndw __?bfloat16?__(%1)\n%rotate 1\n%endrep\n%endmacro\n"
)
_IFUNC = "".join(
    f"%idefine {name}(x) ({body})\n"
    for name, body in {
        "ilog2": "__?ilog2e?__(x)",
        "ilog2e": "__?ilog2e?__(x)",
        "ilog2w": "__?ilog2w?__(x)",
        "ilog2fw": "__?ilog2w?__(x)",
        "ilog2f": "__?ilog2f?__(x)",
        "ilog2cw": "__?ilog2w?__(x) * 0 + __?ilog2c?__(x)",
        "ilog2c": "__?ilog2c?__(x)",
    }.items()
)
_MASM = """
%unimacro segment 1+
%imacro segment 0-1+.nolist
%define __?SECT?__ [segment %00 %1]
__?SECT?__
%endmacro
%imacro ends 0+.nolist
%null ends %00
%endmacro
%imacro proc 0-*.nolist
%rep %0
%ifidni %1,far
%idefine ret retf
%else
%idefine ret retn
%endif
%rotate 1
%endrep
%endmacro
%imacro endp 0.nolist
%null endp %00
%undef ret
%endmacro
%idefine ptr __?masm_ptr?__
%idefine flat __?masm_flat?__
%idefine offset
%imacro end 0+.nolist
%endmacro
%idefine tbyte tword
default rel
"""


@lru_cache(maxsize=1)
def packages() -> Mapping[str, tuple[str, ...]]:
    """The lines of each %use package."""
    bodies = {
        "altreg": _alternative_registers(),
        "smartalign": _align_mode_text() + _SMART_ALIGN.lstrip("\n"),
        "fp": _FP,
        "ifunc": _IFUNC,
        "masm": _MASM,
    }
    return {
        name: (
            f"%define __?USE_{name.upper()}?__",
            f"%defalias __USE_{name.upper()}__ __?USE{name.upper()}?__",
            *(line for line in body.split("\n") if line),
        )
        for name, body in bodies.items()
    }


def package_lines(lines: tuple[str, ...]) -> tuple[MacroLine, ...]:
    """Text lines as the body of an expansion that has no place in any file."""
    return tuple(MacroLine(tokenize(line), "", 0) for line in lines)


def _file_macro(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return ((STRING, quote(engine.file)),)


def _line_macro(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return number_tokens(engine.line)


def _bits_macro(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return number_tokens(engine.bits)


def _pointer_macro(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return ((IDENTIFIER, {16: "word", 32: "dword"}.get(engine.bits, "qword")),)


def _pass_macro(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    engine.stable, engine.reads_pass = False, True
    return number_tokens(engine.pass_kind)


_MAGIC = {
    "__?FILE?__": _file_macro,
    "__?LINE?__": _line_macro,
    "__?BITS?__": _bits_macro,
    "__?PTR?__": _pointer_macro,
    "__?PASS?__": _pass_macro,
}


@lru_cache(maxsize=16)
def standard_tables(output_format: str, debug_format: str) -> tuple[SingleLineTable, MultiLineTable]:
    """The tables a pass starts from, built once; copy before changing."""
    kind = "bin" if output_format == "bin" else "elf"
    engine = Engine(
        SourceTree.from_memory({}), _no_expressions, _no_diagnostics, {}, function_table(), {}, {}
    )
    for name, function in _MAGIC.items():
        engine.single[name.lower()] = (SingleLineMacro(name, (), (), True, False, function),)
    engine.files.append(InputFile(SourceFile("", (), ()), ""))
    engine.quiet = True
    text = _standard_text(kind) + f"%define __?OUTPUT_FORMAT?__ {output_format}\n"
    if debug_format:
        text += f"%define __?DEBUG_FORMAT?__ {debug_format}\n"
    for line in text.split("\n"):
        if line:
            engine.standard_line(tokenize(line))
    return engine.single, engine.multi


def _no_expressions(text: str) -> tuple[Value, str]:
    raise AssertionError(f"the standard macros evaluate nothing, but asked for {text!r}")


def _no_diagnostics(diagnostic: Diagnostic) -> None:
    raise AssertionError(f"the standard macros are in error: {diagnostic.message}")


def time_macros(timestamp: int | None, environment: Mapping[str, str]) -> SingleLineTable:
    """__?DATE?__ and kin. SOURCE_DATE_EPOCH in ``environment`` fixes them (in UTC); else ``timestamp``, else the clock."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "").strip()
    fixed = epoch.isdecimal() and len(epoch) < 12
    seconds = int(epoch) if fixed else timestamp if timestamp is not None else int(time.time())
    utc = time.gmtime(seconds)
    local = utc if fixed or timestamp is not None else time.localtime(seconds)
    values: dict[str, Token] = {"POSIX_TIME": number_tokens(seconds)[0]}
    for prefix, moment in (("", local), ("UTC_", utc)):
        values[prefix + "DATE"] = (STRING, time.strftime('"%Y-%m-%d"', moment))
        values[prefix + "TIME"] = (STRING, time.strftime('"%H:%M:%S"', moment))
        values[prefix + "DATE_NUM"] = tokenize(time.strftime("%Y%m%d", moment))[0]
        values[prefix + "TIME_NUM"] = tokenize(time.strftime("%H%M%S", moment))[0]
    return {f"__?{n}?__".lower(): (SingleLineMacro(f"__?{n}?__", (token,)),) for n, token in values.items()}
