"""The assembler's messages that need no look at the line: (nasm's wording as a pattern, message, help)."""

from __future__ import annotations

import re

_TABLE: tuple[tuple[str, str, str], ...] = (
    # expressions
    (
        r"symbol `(?P<name>[^']*)' not defined before use",
        "`{name}' is used here before the line that defines it",
        "the assembler needs this value at once: define {name} further up",
    ),
    (
        r"`(?P<name>[^']*)': operands differ by a non-scalar",
        "two addresses of different sections can't be compared with `{name}'",
        "compare addresses of one section only, or compare at run time with cmp",
    ),
    (
        r"(?P<name>\S+) may only be applied to scalar values",
        "`{name}' works on numbers, not on addresses: where code is loaded is not known yet",
        "take the difference of two labels first, or compute it at run time",
    ),
    (
        r"`(?P<name>[^']*)' operator may only be applied to scalar values",
        "`{name}' works on numbers, not on addresses: where code is loaded is not known yet",
        "take the difference of two labels first, or compute it at run time",
    ),
    (
        r"unable to multiply two non-scalar objects",
        "an address or register can be multiplied by a number only",
        "multiply at run time with imul",
    ),
    (
        r"ilog2 argument is not a power of two",
        "this logarithm exists for powers of two only",
        "use ilog2w or ilog2c",
    ),
    (
        r"`\?' without matching `:'",
        "the choice ? is missing its second half",
        "write: CONDITION ? VALUE : VALUE",
    ),
    (r"expression too long", "the expression has too many parts", "split it with equ or %assign"),
    (
        r"expression is not simple or relocatable|invalid use of self-relative expression",
        "no object file can hold this value: it mixes addresses in a way the linker can't finish",
        "use a label plus or minus a number, or the difference of two labels of one section",
    ),
    (
        r"(?:\S+ format|ELF format) does not support segment base references|cannot apply SEG to a non-relocatable value",
        "`seg' asks for a segment's base, which Linux programs don't have",
        "use the label itself: it is the whole address",
    ),
    (
        r"invalid right-hand operand to WRT|unrecognised special symbol `(?P<name>[^']*)'",
        "behind `wrt' stands a word that the output format doesn't know",
        "in ELF it is one of ..plt, ..got, ..gotpcrel, ..gotpc, ..gotoff, ..gottpoff, ..tlsie, ..sym",
    ),
    # data
    (
        r"expected `\)' after subexpression, got `(?P<name>[^']*)'",
        "a ) is missing before `{name}'",
        "each ( needs its )",
    ),
    (
        r"integer supplied as (?P<name>\d+)-bit data",
        "dt holds {name}-bit floating-point numbers, not whole numbers",
        "write it with a point: 5.0",
    ),
    (
        r"(?:negative argument supplied to DUP|RESB value (?P<name>-\d+) is negative)",
        "a count can't be negative",
        "check the expression; a difference of labels needs the later label first",
    ),
    (
        r"attempt to reserve non-constant quantity of BSS space|non-constant argument supplied to (?P<name>\w+)",
        "the count must be a number that is known at this line",
        "use a number, an equ constant, or the difference of labels further up",
    ),
    (
        r".*floating-point (?:constant|format supported).*|packed BCD.*|invalid character .* BCD constant",
        "this is no floating-point number the chosen width can hold",
        "write for example 1.5, 2.0e10 or 0x1.8p3, with dd for 32 and dq for 64 bits",
    ),
    (
        r"(?:__\?\w+\?__ must be followed by a string constant|invalid input string to .*|unterminated __.*|expecting string|invalid string for transform)",
        "the function for Unicode strings needs a UTF-8 string in quotes",
        "write for example: __utf16__('text')",
    ),
    (
        r"`incbin' expects a file name",
        "`incbin' needs the name of a file in quotes",
        'write: incbin "picture.bin"',
    ),
    (
        r"`incbin': .*parameter.*",
        "behind the file name `incbin' takes two numbers: how much to skip and how much to take",
        'write: incbin "picture.bin", 512, 16',
    ),
    (r"(?:bad syntax for EQU)", "`equ' takes one value that is known here", "write: NAME equ VALUE"),
    # operands
    (
        r"invalid operand type",
        "something on this line can't be an operand",
        "an operand is a register, [an address], a label or a number",
    ),
    (
        r"impossible combination of address sizes|conflicting address size specifications|(?P<name>\d+)-bit addressing is .*|"
        r"instruction takes 64-bit addresses only",
        "the registers in the brackets don't have a size this code can use for addresses",
        "in 64-bit code use 64-bit registers (rax, rbx …) inside the brackets",
    ),
    (
        r"invalid size specification in effective address|invalid operand size specification",
        "a size word stands where none can stand",
        "write one size word, before the bracket: dword [rax]",
    ),
    (
        r"invalid segment override|instruction has conflicting segment overrides|segr6 and segr7 .*",
        "the segment before the colon can't be used here",
        "write it inside the brackets, fs or gs: [fs:0]",
    ),
    (
        r"invalid use of FAR operand specifier|value referenced by FAR is not relocatable",
        "far jumps with a segment don't exist in Linux programs",
        "leave out `far'",
    ),
    (
        r"instruction has conflicting prefixes",
        "two prefixes of this line exclude each other",
        "keep one of rep, repe, repne and lock",
    ),
    (
        r"instruction is not lockable|invalid lock prefix",
        "`lock' works only with instructions that change memory, such as add, inc, xchg, cmpxchg",
        "leave out `lock', or let the instruction change a place in memory",
    ),
    (
        r"\{(?P<name>[^}}]*)\} is not an expected decorator|invalid decorator|opmask \S+ is already set|broadcast not (?:allowed|permitted).*|"
        r"mask not permitted.*|unsupported mode decorator.*|mismatch in the number of broadcasting elements",
        "the braces behind the operand say something this instruction doesn't know",
        "decorators such as {{k1}}, {{z}} and {{1to8}} belong to AVX-512 instructions",
    ),
    (
        r"cannot use high register in .*|instruction cannot use high registers|invalid high-16 register.*|invalid register set size|"
        r"register set not valid for operand|invalid operands in non-64-bit mode|instruction has no place for a rex prefix",
        "this instruction can't use one of these registers here",
        "use a lower-numbered register, or switch to 64-bit code with `bits 64'",
    ),
    (
        r"instruction not encodable with (?P<name>\S+) prefix|(?P<other>\S+) prefix is not allowed",
        "the prefix {name}{other} doesn't go with this instruction",
        "leave it out",
    ),
    (
        r"no instruction for this cpu level",
        "the processor chosen with CPU doesn't have this instruction",
        "remove the `cpu' line, or name a newer processor",
    ),
    (
        r"invalid mib expression",
        "this instruction wants [base, index] with a comma",
        "write for example: [rax, rcx*2]",
    ),
    # directives and sections
    (
        r"unrecognized directive \[(?P<name>[^\]]*)\]",
        "there is no directive [{name}]",
        "an address in brackets can't begin a line: write the instruction before it",
    ),
    (
        r"invalid directive line|invalid parameter to \[(?P<name>[^\]]*)\] directive|identifier expected after (?P<other>.*)|"
        r"invalid syntax in .* declaration|unknown 'float' directive.*",
        "this directive is not written as nasm expects it",
        "look it up in nasm's manual, chapters 7 and 8; names are separated by commas",
    ),
    (
        r"'?`?(?P<name>[^'`]*)' is not a valid segment size; must be 16, 32 or 64",
        "BITS is followed by 16, 32 or 64",
        "write: bits 64",
    ),
    (
        r"unknown CPU type or flag '(?P<name>[^']*)'",
        "nasm knows no processor `{name}'",
        "write for example: cpu x64, or leave the line out",
    ),
    (
        r"unknown section attribute '(?P<name>[^']*)' ignored on declaration of section `(?P<section>[^']*)'",
        "a section has no attribute `{name}'; it is ignored",
        "attributes are exec, noexec, write, nowrite, alloc, noalloc, progbits, nobits, tls, align=N",
    ),
    (
        r"attempt to redefine reserved section name `(?P<name>[^']*)'",
        "the section {name} is made by the assembler itself",
        "choose another name",
    ),
    (
        r"incompatible section attributes ignored on redeclaration of section `(?P<name>[^']*)'",
        "the section {name} was begun with other attributes; the new ones are ignored",
        "write the attributes where the section is first named",
    ),
    (
        r"(?:section alignment|alignment constraint|segment alignment|argument to) `?(?P<name>[^' ]*)'? is not (?:a )?power of two",
        "an alignment must be a power of two, and {name} is none",
        "write 1, 2, 4, 8, 16 …",
    ),
    (
        r"section align without value specified|alignment constraint `(?P<name>[^']*)' is not a valid number|absurdly large.*",
        "the alignment is not a number that can be used",
        "write for example: align=16",
    ),
    (
        r"segment name `(?P<name>[^']*)' not recognized",
        "the output format has no section `{name}'",
        "use .text, .data or .bss",
    ),
    (
        r"no size specified in common declaration|invalid size specified in common declaration",
        "`common' needs the number of bytes behind the name",
        "write: common NAME 8",
    ),
    (
        r"unrecognized symbol attribute `(?P<name>[^']*)'",
        "a symbol has no attribute `{name}'",
        "behind the colon stand function, data, object, notype, hidden, protected, weak and a size",
    ),
    (
        r"cannot use (?:non-)?relocatable expression as (?P<name>.*)",
        "the {name} must be a number that is known while assembling",
        "use a number, or the difference of two labels of one section",
    ),
    (
        r"symbol `(?P<name>[^']*)' has inconsistent attributes .*",
        "`{name}' is declared twice in different ways",
        "keep one of the declarations",
    ),
    (
        r"org value must be a critical expression|No or invalid offset specified in ORG directive\.",
        "ORG needs a number",
        "write for example: org 0x7c00",
    ),
    (r"program origin redefined", "ORG can be given only once", "remove one of the ORG lines"),
    (
        r"binary output format does not support (?P<name>.*)",
        "a flat binary can't have {name}: there is no linker behind it",
        "build with -f elf64, or reserve the space in section .bss",
    ),
    (
        r"(?P<name>\d+)-bit .* relocation .*|Unsupported (?P<other>\d+)-bit ELF relocation",
        "the address doesn't fit into a field of this size in this output format",
        "use dq for addresses in 64-bit code and dd in 32-bit code",
    ),
)
MESSAGES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple((re.compile(p), m, h) for p, m, h in _TABLE)
