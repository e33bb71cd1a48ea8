"""Habits brought from GNU as (AT&T syntax), MASM, TASM and C, recognised by how the line is written."""

from __future__ import annotations

import re
from collections.abc import Callable

from toolkit.asm import scan
from toolkit.asm.hints_words import Explanation, Written, is_register, nearest, take_apart, without_comment

# GNU and MASM directives: what to write in nasm instead
_OTHER_DIRECTIVES = {
    ".section": "section {rest}",
    ".text": "section .text",
    ".data": "section .data",
    ".bss": "section .bss",
    ".rodata": "section .rodata",
    ".code": "section .text",
    ".global": "global {rest}",
    ".globl": "global {rest}",
    ".extern": "extern {rest}",
    ".ascii": "db {rest}",
    ".asciz": "db {rest}, 0",
    ".string": "db {rest}, 0",
    ".byte": "db {rest}",
    ".word": "dw {rest}",
    ".short": "dw {rest}",
    ".long": "dd {rest}",
    ".int": "dd {rest}",
    ".quad": "dq {rest}",
    ".zero": "times {rest} db 0",
    ".skip": "resb {rest}",
    ".space": "resb {rest}",
    ".align": "align {rest}",
    ".balign": "align {rest}",
    ".equ": "NAME equ VALUE",
    ".set": "NAME equ VALUE",
    ".include": '%include "FILE"',
    ".macro": "%macro NAME COUNT",
    ".endm": "%endmacro",
    ".if": "%if CONDITION",
    ".endif": "%endif",
    ".rept": "%rep COUNT",
    ".endr": "%endrep",
    ".model": "",
    ".stack": "",
    ".386": "bits 32",
    ".intel_syntax": "",
    ".att_syntax": "",
    ".type": "",
    ".size": "",
    ".file": "",
}
_MASM_WORDS = {
    "proc": ("PROC and ENDP belong to MASM: in nasm a procedure is just a label", "write `{label}:' and end it with `ret'"),
    "endp": ("ENDP belongs to MASM: in nasm nothing closes a procedure", "remove this line"),
    "end": ("END belongs to MASM: in nasm the source ends with the file", "remove this line; the entry point is `global _start'"),
    "assume": ("ASSUME belongs to MASM: nasm never assumes a segment register", "remove this line"),
    "invoke": ("INVOKE belongs to MASM", "put the arguments into rdi, rsi, rdx, rcx, r8, r9 and write `call FUNCTION'"),
    "include": ("nasm's preprocessor directives start with a percent sign", 'write `%include "FILE"\''),
    "define": ("nasm's preprocessor directives start with a percent sign", "write `%define NAME VALUE'"),
    "#include": ("`#include' belongs to C; nasm's preprocessor uses a percent sign", 'write `%include "FILE"\''),
    "#define": ("`#define' belongs to C; nasm's preprocessor uses a percent sign", "write `%define NAME VALUE'"),
    "#ifdef": ("`#ifdef' belongs to C; nasm's preprocessor uses a percent sign", "write `%ifdef NAME'"),
    "#endif": ("`#endif' belongs to C; nasm's preprocessor uses a percent sign", "write `%endif'"),
    "macro": ("a macro starts with a percent sign in nasm", "write `%macro NAME COUNT' … `%endmacro'"),
    "endm": ("a macro ends with `%endmacro' in nasm", "write `%endmacro'"),
}  # fmt: skip
_MASM_DATA = {
    "byte": "db", "word": "dw", "dword": "dd", "qword": "dq", "sbyte": "db", "sdword": "dd", "real4": "dd", "real8": "dq",
}  # fmt: skip
_AT_T_MNEMONIC = re.compile(r"(mov|add|sub|cmp|test|and|or|xor|push|pop|inc|dec|neg|not|lea|imul|idiv|div|mul|sh[lr]|sar|call|jmp|ret)([bwlq])$")  # fmt: skip
_OF_NASM = scan.PSEUDO | {"times"}
_AT_T_SIZES = {"b": "byte", "w": "word", "l": "dword", "q": "qword"}
_AT_T_MEMORY = re.compile(
    r"(?P<offset>[-+\w.]*)\(\s*(?P<base>%\w+)?\s*(?:,\s*(?P<index>%\w+)\s*(?:,\s*(?P<scale>\w+))?)?\s*\)"
)


def habit(line: str) -> Explanation | None:
    """An explanation when the line is written as another assembler or C wants it; None when it is not."""
    written = take_apart(line)
    for recognise in _HABITS:
        found = recognise(written)
        if found is not None:
            return found
    return None


def _other_directive(written: Written) -> Explanation | None:
    word = written.mnemonic.lower()
    template = _OTHER_DIRECTIVES.get(word)
    if template is None or written.label:
        return None
    source = "MASM" if word in (".code", ".model", ".stack", ".386") else "the GNU assembler"
    message = f"`{written.mnemonic}' is a directive of {source}; nasm's directives have no dot"
    rest = re.sub(r"^\s*@?progbits.*", "", written.rest)
    return message, f"write: {template.format(rest=rest).strip()}" if template else "leave this line out"


def _masm_word(written: Written) -> Explanation | None:
    words = written.text.split()
    for position, word in enumerate(words[:2]):
        found = _MASM_WORDS.get(word.lower())
        if found is not None and (position == 0 or word.lower() in ("proc", "endp", "macro", "endm")):
            return found[0], found[1].format(label=words[0])
    if len(words) >= 3 and words[1].lower() in _MASM_DATA and not words[0].endswith(":"):
        right = _MASM_DATA[words[1].lower()]
        if words[2][:1].isdigit() or words[2][:1] in "\"'?-":
            return (
                f"`{words[1]}' declares data in MASM; in nasm it is only the size of an operand",
                f"write: {words[0]} {right} {' '.join(words[2:])}",
            )
    return None


def _at_and_t(written: Written) -> Explanation | None:
    if not any(o.kind == "at&t" for o in written.operands) or written.mnemonic.lower() in _OF_NASM:
        return None
    translated = [_from_at_and_t(o.text) for o in written.operands]
    suffix = _AT_T_MNEMONIC.match(written.mnemonic.lower())
    mnemonic = written.mnemonic
    signs = "`%' before registers, `$' before numbers, (…) for memory, the destination last"
    if suffix:
        mnemonic = suffix.group(1)
        if not any(is_register(t) for t in translated):
            translated = [
                f"{_AT_T_SIZES[suffix.group(2)]} {t}" if t.startswith("[") else t for t in translated
            ]
    return (
        f"this is AT&T syntax ({signs}); nasm uses Intel syntax",
        f"write: {mnemonic} {', '.join(reversed(translated))}" + "\nin nasm the destination comes first",
    )


def _from_at_and_t(text: str) -> str:
    memory = _AT_T_MEMORY.fullmatch(text)
    if not memory:
        return text.lstrip("*%$")
    parts = [(memory.group(g) or "").lstrip("%") for g in ("base", "index")]
    terms = [parts[0]] if parts[0] else []
    if parts[1]:
        scale = memory.group("scale")
        terms.append(parts[1] + (f"*{scale}" if scale and scale != "1" else ""))
    offset = memory.group("offset")
    if offset and offset != "0":
        terms.append(offset)
    return "[" + "+".join(terms).replace("+-", "-") + "]"


def _comment(written: Written) -> Explanation | None:
    for sign, owner in (("//", "C"), ("/*", "C"), ("#", "the GNU assembler and Python")):
        found = re.search(rf"(?:^|\s){re.escape(sign)}(?=\s|[A-Za-z]|$)(?!\s*[-+(\d])", written.text)
        if found and not _inside_string(written.text, found.start()):
            return (
                f"`{sign}' starts a comment in {owner}, not in nasm, so the rest of the line is read as code",
                "start comments with a semicolon: ; like this",
            )
    return None


def _inside_string(text: str, position: int) -> bool:
    return any(m.start() < position < m.end() for m in re.finditer(r"'[^']*'|\"[^\"]*\"|`[^`]*`", text))


def _masm_operand(written: Written) -> Explanation | None:
    pointer = re.search(r"\b(byte|word|dword|qword|tword|oword|xmmword)\s+ptr\b", written.text, re.I)
    if pointer:
        fixed = re.sub(r"\s+ptr\b\s*", " ", written.text, flags=re.I).strip()
        return (
            f"`ptr' belongs to MASM: in nasm the size word alone says how many bytes `{pointer.group(1)}' is about",
            f"write: {_bracketed(fixed)}",
        )
    offset = re.search(r"\boffset\s+(?:flat\s*:\s*)?([\w.$]+)", written.text, re.I)
    if offset:
        name = offset.group(1)
        fixed = written.text.replace(offset.group(0), name).strip()
        return (
            f"`offset' belongs to MASM: in nasm a label by itself is its address, and [{name}] is what is stored there",
            f"write: {fixed}",
        )
    return None


def _bracketed(text: str) -> str:
    """``dword x`` after ``ptr`` was removed, as ``dword [x]``: MASM leaves the brackets of a variable out."""
    return re.sub(
        r"\b(byte|word|dword|qword|tword|oword)\s+([A-Za-z_.][\w.]*)\s*$", r"\1 [\2]", text, flags=re.I
    )


def _indexed_name(written: Written) -> Explanation | None:
    found = re.search(r"(?<![\w\]])([A-Za-z_.][\w.]*)\s*\[([^\]]+)\]", written.rest)
    if not found or is_register(found.group(1)) or nearest(found.group(1), _NOT_NAMES):
        return None
    if found.group(1).lower() in _NOT_NAMES:
        return None
    name, inside = found.group(1), found.group(2)
    fixed = written.text.replace(found.group(0), f"[{name} + {inside}]").strip()
    return (
        f"`{name}[{inside}]' is how MASM and C index; in nasm the whole address stands inside the brackets",
        f"write: {fixed}",
    )


_NOT_NAMES = (
    "byte",
    "word",
    "dword",
    "qword",
    "tword",
    "oword",
    "yword",
    "zword",
    "short",
    "near",
    "far",
    "strict",
    "rel",
    "abs",
    "ptr",
    "nosplit",
    "to",
)


def _c_operator(written: Written) -> Explanation | None:
    found = re.match(r"\s*([A-Za-z_][\w.]*)\s*(\+=|-=|\*=|=|\+\+|--)\s*([^=].*)?$", written.text)
    if not found:
        return None
    name, operator, value = found.group(1), found.group(2), (found.group(3) or "").strip(" ;")
    register = is_register(name)
    target = name if register else f"qword [{name}]"
    instruction = {"=": "mov", "+=": "add", "-=": "sub", "*=": "imul", "++": "inc", "--": "dec"}[operator]
    if operator == "=" and not register:
        return (
            f"`{name} = {value}' is not an assembly statement",
            f"for a constant write: {name} equ {value}\nto store at run time: mov {target}, {value}",
        )
    fixed = f"{instruction} {target}" + (f", {value}" if value else "")
    return f"`{operator}' is written as an instruction in assembly", f"write: {fixed}"


def _c_call(written: Written) -> Explanation | None:
    found = re.fullmatch(r"\s*([A-Za-z_]\w*)\((.*)\)\s*", written.text)
    if not found or is_register(found.group(1)):
        return None
    name = found.group(1)
    return (
        f"`{name}(…)' is how C calls a function; in assembly the arguments go into registers first",
        f"put them into rdi, rsi, rdx, …, and write `call {name}' for a function,\n"
        "or put the number of the request into rax and write `syscall' for the kernel",
    )


_HABITS: tuple[Callable[[Written], Explanation | None], ...] = (
    _other_directive,
    _masm_word,
    _at_and_t,
    _masm_operand,
    _comment,
    _indexed_name,
    _c_operator,
    _c_call,
)


def has_code(line: str) -> bool:
    """Whether anything but a comment stands on the line."""
    return bool(without_comment(line).strip())
