"""What students are told: 58 typical mistakes through ``assemble``, habits of other assemblers, and nearest names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.asm import assemble, hints_messages, hints_preprocess
from toolkit.asm.hints import Context, explain, nearest, remarks
from toolkit.asm.hints_habits import habit
from toolkit.asm.hints_words import distance, resized, split_operands, take_apart, without_comment
from toolkit.asm.reports import without_repeats

MISTAKES = json.loads(Path(__file__).with_name("data").joinpath("student-mistakes.json").read_text())

# name of the mistake: (what the message must say, what the help must say)
SAID: dict[str, tuple[str, str]] = {
    "missing operand size (store imm)": ("[rax] doesn't say and neither does 5", "mov qword [rax], 5"),
    "missing operand size (inc mem)": ("how many bytes", "inc qword [rax]"),
    "invalid operand combination": ("5 is a number and can't be changed", "mov rax, 5"),
    "mem to mem": ("memory on both sides", "mov rcx, [rbx]\nmov [rax], rcx"),
    "undefined symbol": ("`undefined_sym' is not defined", "extern undefined_sym"),
    "label redefined": ("`a' is defined more than once", ".a"),
    "missing comma": ("comma is missing between the operands `rax' and `rbx'", "mov rax, rbx"),
    "wrong register size": ("rax has 64 bits and ebx has 32", "movsxd rax, ebx"),
    "wrong reg size (8/32)": ("al has 8 bits and ebx has 32", "add al, bl"),
    "immediate too big": ("300 doesn't fit into 1 byte", "larger register: mov eax, 300"),
    "imm too big add r64": ("signed 32-bit number", "mov rcx, 0x123456789a\nadd rax, rcx"),
    "imm 32-bit unsigned to r64 add": ("signed 32-bit number", "mov rcx, 0xffffffff"),
    "misspelt mnemonic": ("no instruction `movv'", "`mov'? write: mov rax, 1"),
    "misspelt mnemonic no operand": ("`sycall' is no instruction", "`syscall'"),
    "misspelt register": ("`rxa' is neither a register nor a label", "mov rax, 1"),
    "unterminated string": ('opened with " is not closed', 'write " at its end'),
    "missing %endmacro": ("macro `f' that begins on line 1 has no `%endmacro'", "%endmacro"),
    "missing %endif": ("`%if' on line 1 is never closed", "%endif"),
    "label alone without colon": ("taken as a label", "start:"),
    "wrong directive": ("GNU assembler", "section .text"),
    "unknown directive": ("no instruction `sektion'", "directive `section'? write: section .text"),
    "AT&T syntax": ("AT&T", "mov rax, 1"),
    "AT&T mem": ("AT&T", "mov rbx, [rax]"),
    "bad scale": ("1, 2, 4 or 8 only, not by 3", "imul rcx, rcx, 3\nmov rax, [rbx+rcx]"),
    "rsp as index": ("rsp can't be multiplied", "mov rcx, rsp\nmov rax, [rbx+rcx*2]"),
    "three registers": ("adds 3 registers", "lea rbx, [rbx+rcx] and then use [rbx+rdx]"),
    "MASM ptr": ("MASM", "mov eax, dword [rax]"),
    "too many operands": ("`rcx' is too much", "mov rax, rbx"),
    "missing operand": ("needs two operands", "mov rax, rbx"),
    "unbalanced bracket": ("never closed", "mov rax, [rbx]"),
    "push 32-bit reg": ("64-bit registers; eax has 32", "push rax"),
    "mov imm to segment": ("segment register ds", "mov ds, eax"),
    "lea w/out brackets": ("must stand in brackets", "lea rax, [rbx]"),
    "shift by non-cl": ("not from bl", "shl rax, cl"),
    "mul with imm": ("not on a number: 5", "mul rcx"),
    "div by imm": ("not on a number: 10", "idiv rcx"),
    "jmp short out of range": ("127 bytes ahead", "jmp x"),
    "times negative": ("-5 times", "SIZE-($-$$)"),
    "div by zero expr": ("divides by zero", "divisor"),
    "macro wrong arg count": ("called with 1 argument", "%macro"),
    "undefined macro called": ("no instruction, directive or macro `print'", "%macro"),
    "include missing": ("no file `nofile.inc'", "spelling"),
    "high byte with REX": ("REX prefix", "use al instead of ah"),
    "xmm with int mov": ("vector registers such as xmm0", "movq xmm0, rax"),
    "movzx no size": ("how wide the value in memory is", "movzx eax, byte [rbx]"),
    "immediate dest cmp": ("can't be a number: 5", "cmp rax, 5"),
    "[rel] typo": ("`rell' can't stand before `x'", "[rel x]"),
    "# comment": ("`#' starts a comment in the GNU assembler", "semicolon"),
    "// comment": ("`//' starts a comment in C", "semicolon"),
    "0x missing digits": ("`0x' has no digits", "0x10"),
    "hex w/out prefix": ("must begin with a digit", "0xff"),
    "number with letter": ("neither a number nor a name", "0x12ab"),
    "duplicate global/extern": ("declared extern, but this file defines it", "global f"),
    "resb in .text w/ data in bss": (".bss holds no values", "x resb 1"),
    "32-bit only instruction": ("does not exist in 64-bit code", "push"),
    "int without operand": ("number of the interrupt", "int 0x80"),
    "call register 32": ("eax has 32 bits", "call rax"),
    "ret operand register": ("only takes the return address", "`ret' alone"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=[m["name"] for m in MISTAKES])
def test_a_typical_mistake_is_explained(mistake: dict[str, str]) -> None:
    found = assemble(mistake["source"] + "\n", name="t.asm").diagnostics
    message, help_text = SAID[mistake["name"]]
    assert any(message in d.message and help_text in d.help for d in found), [
        (d.message, d.help) for d in found
    ]
    assert all(d.help for d in found), "every one says what to write"
    in_nasm_words = [line for d in found for line in d.render_nasm().split("\n") if line]
    expected = [f"t.asm:{line}" for line in mistake["nasm"]]
    assert in_nasm_words == expected
    assert any(d.is_error for d in found) == bool(mistake["status"])


@pytest.mark.parametrize("mistake", MISTAKES, ids=[m["name"] for m in MISTAKES])
def test_a_typical_mistake_is_told_once(mistake: dict[str, str]) -> None:
    shown = without_repeats(assemble(mistake["source"] + "\n", name="t.asm").diagnostics)
    assert len(shown) == 1


def test_different_values_of_one_line_are_told_apart() -> None:
    assert len(without_repeats(assemble("db 300, 1, 400").diagnostics)) == 2


def test_a_misspelt_mnemonic_is_what_the_caret_is_under() -> None:
    (found,) = assemble("a: movv rax, 1").diagnostics
    assert (found.span.column, found.span.length) == (4, 4)


def test_a_length_in_another_section_is_explained() -> None:
    (found,) = assemble("section .data\nmsg: db 1\nsection .text\nlen equ $-msg\n").diagnostics
    assert "`msg' is in another" in found.message


def test_every_mistake_has_its_expectation() -> None:
    assert len(MISTAKES) == 58
    assert {m["name"] for m in MISTAKES} == set(SAID)


@pytest.mark.parametrize(
    ("line", "help_text"),
    [
        ("movl %eax, %ebx", "mov ebx, eax"),
        ("movq 8(%rbp), %rdi", "mov rdi, [rbp+8]"),
        ("movq -8(%rbp,%rcx,4), %rdi", "mov rdi, [rbp+rcx*4-8]"),
        ("movb $1, (%rax)", "mov byte [rax], 1"),
        ("call *%rax", "call rax"),
        (".data", "section .data"),
        (".globl _start", "global _start"),
        ('.asciz "hi"', 'db "hi", 0'),
        (".code", "section .text"),
        ("main proc", "`main:'"),
        ("main endp", "remove this line"),
        ("end start", "_start"),
        ("count DWORD 5", "count dd 5"),
        ("mov eax, offset message", "mov eax, message"),
        ("mov eax, dword ptr x", "mov eax, dword [x]"),
        ("mov eax, table[rbx*4]", "[table + rbx*4]"),
        ("#include <stdio.h>", "%include"),
        ("#define N 5", "%define NAME VALUE"),
        ("include io.inc", "%include"),
        ("mov rax, 1 // one", "semicolon"),
        ("rax = 5", "mov rax, 5"),
        ("count += 2", "add qword [count], 2"),
        ("rcx++", "inc rcx"),
        ("write(1, message, length)", "`syscall' for the kernel"),
        ("printf(format);", "`call printf'"),
    ],
)
def test_habits_of_other_assemblers_are_recognised(line: str, help_text: str) -> None:
    found = habit(line)
    assert found is not None
    assert help_text in found[1]


@pytest.mark.parametrize(
    "line",
    [
        "mov rax, [rbx+8]",
        "main: push rbp ; save",
        "msg db 'a # b // c', 10",
        "x equ 6 // 2",
        "mov rax, $1f",
        "mov eax, [fs:rbx]",
        "jmp short next",
        "section .text",
        "mov byte [rel x], 5",
        "add rax, x - $$",
        "%define PTR 4",
        "mov rax, [table+rbx*8]",
    ],
)
def test_good_lines_are_no_habits(line: str) -> None:
    assert habit(line) is None
    assert remarks(line) == []


@pytest.mark.parametrize(
    ("message", "line", "context", "expected"),
    [
        (
            "symbol `mesage' not defined",
            "mov rsi, mesage",
            Context(symbols=["message", "count"]),
            "`message'",
        ),
        (
            "symbol `Message' not defined",
            "mov rsi, Message",
            Context(symbols=["message"]),
            "upper and lower case",
        ),
        ("symbol `eaxx' not defined", "mov eaxx, 1", Context(), "register eax"),
        ("symbol `dwrod' not defined", "mov dwrod [rax], 1", Context(), "`dword'"),
        ("symbol `main.lop' not defined", "jmp .lop", Context(symbols=["main.loop"]), "`main.loop'"),
        ("parser: instruction expected", "pirnt 5", Context(macros=["print"]), "`print'"),
        ("parser: instruction expected", "print 5, 6", Context(macros=["print"]), "as many, with commas"),
        ("parser: instruction expected", "rax 5", Context(), "mov rax, 1"),
        ("parser: instruction expected", "vfmad132ps xmm0, xmm1, xmm2", Context(), "vfmadd132ps"),
        (
            "invalid combination of opcode and operands",
            "mov eax, word [rbx]",
            Context(),
            "dword [rbx], or use ax",
        ),
        ("instruction not supported in 64-bit mode", "mov eax, cr3", Context(), "write: mov rax, cr3"),
        ("instruction not supported in 64-bit mode", "mov cr3, eax", Context(), "write: mov cr3, rax"),
        ("instruction not supported in 32-bit mode", "mov rdx, _start", Context(), "write: mov edx, _start"),
        (
            "instruction not supported in 32-bit mode",
            "mov r9, rax",
            Context(),
            "there are eax, ebx",
        ),
        ("instruction not supported in 64-bit mode", "lds eax, [rsp]", Context(), "64-bit code dropped"),
        ("operation size not specified", "mov [line], '9'", Context(), "mov byte [line], '9'"),
        ("operation size not specified", "mov [line], 'ab'", Context(), "mov word [line], 'ab'"),
        ("invalid combination of opcode and operands", "mov line, '9'", Context(), "mov byte [line], '9'"),
        ("invalid combination of opcode and operands", "add total, 5", Context(), "add qword [total], 5"),
        ("invalid combination of opcode and operands", "mov total, rax", Context(), "mov [total], rax"),
        ("invalid combination of opcode and operands", 'mov rsi, "too long for it"', Context(), "lea rsi"),
        ("invalid combination of opcode and operands", "fld eax", Context(forms=("fld mem32",)), "fld mem32"),
        ("invalid 64-bit effective address", "mov rax, [rbx+ecx]", Context(), "inside the brackets"),
        ("invalid 64-bit effective address", "mov rax, [rbx-rcx]", Context(), "neg"),
        ("expecting ] at end of memory operand", "mov rax, [rbx rcx]", Context(), "[rbx + rcx]"),
        ("expression syntax error", "mov rax,", Context(), "remove the comma"),
        ("comma, colon, decorator or end of line expected after operand", "mov dword x, 5", Context(), "[x]"),
    ],
)
def test_explanations_use_what_is_known(message: str, line: str, context: Context, expected: str) -> None:
    assert expected in "\n".join(explain(message, line, context))


def test_a_message_in_a_macro_explains_the_expanded_line() -> None:
    program = "%macro put 2\n mov %1, %2\n%endmacro\nput rax, ebx\n"
    found = assemble(program).diagnostics
    assert [d.message for d in found] == ["rax has 64 bits and ebx has 32: both must be the same size"]
    assert [f.name for f in found[0].trail] == ["put"]
    assert found[0].expanded.strip() == "mov rax, ebx"
    assert "after macros: mov rax, ebx" in found[0].render()


def test_a_label_in_a_macro_wants_two_percent_signs() -> None:
    program = "%macro put 1\ntext: db %1\n%endmacro\nput 1\nput 2\n"
    (found,) = assemble(program).diagnostics
    assert "write %%text in the macro" in found.help


def test_unknown_messages_are_passed_on() -> None:
    assert explain("something new", "nop") == ("something new", "")


@given(
    st.text(st.characters(max_codepoint=255), max_size=80),
    st.sampled_from(sorted({re.sub(r"^\d+: \w+: ", "", m) for d in MISTAKES for m in d["nasm"]})),
)
def test_no_line_upsets_the_explanations(line: str, message: str) -> None:
    told, help_text = explain(message, line, Context(symbols=["a"], macros=["m"]))
    assert told
    assert isinstance(help_text, str)
    habit(line)
    remarks(line)


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [
        ("mov", "mov", 0),
        ("movv", "mov", 1),
        ("mvo", "mov", 1),
        ("sycall", "syscall", 1),
        ("abc", "xyz", 3),
        ("a", "abcdef", 4),
    ],
)
def test_distance(left: str, right: str, edits: int) -> None:
    assert distance(left, right, 3) == edits


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("sycall", "syscall"),
        ("mvo", "mov"),
        ("zzzz", None),
        ("printt", "print"),
        ("x", None),
        ("start", None),
    ],
)
def test_nearest(word: str, found: str | None) -> None:
    assert nearest(word, ["print"], ["mov", "syscall", "sar"]) == found


def test_lines_are_taken_apart() -> None:
    written = take_apart("main: mov dword [rax+4], 'a;b' ; comment")
    assert (written.label, written.mnemonic) == ("main", "mov")
    assert [(o.kind, o.size) for o in written.operands] == [("memory", 4), ("number", 0)] or [
        o.kind for o in written.operands
    ] == ["memory", "string"]
    assert take_apart("msg db 'x', 10").label == "msg"
    assert without_comment("db ';' ; x") == "db ';'"
    assert split_operands("[a, b], (1, 2), ',', x") == ["[a, b]", "(1, 2)", "','", "x"]
    assert [resized("ebx", size) for size in (8, 4, 2, 1)] == ["rbx", "ebx", "bx", "bl"]
    assert resized("r9b", 8) == "r9"


@pytest.mark.parametrize(
    "table", [hints_messages.MESSAGES, hints_preprocess.MESSAGES], ids=["assembler", "preprocessor"]
)
def test_every_row_of_the_tables_can_be_filled_in(
    table: tuple[tuple[re.Pattern[str], str, str], ...],
) -> None:
    for pattern, message, help_text in table:
        fields = dict.fromkeys(pattern.groupindex, "X")
        assert message.format(**fields)
        assert isinstance(help_text.format(**fields), str)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x db 1\ny db 2\n%assign n x\n", "a number that is known while assembling"),
        ("section .text align=3\n", "power of two"),
        ("section .foo bar\n", "no attribute `bar'"),
        ("mov rax, [bx]\n", "64-bit registers"),
        ("[foo]\n", "no directive [foo]"),
        ("resb later\nlater:\n", "known at this line"),
        ("lock mov rax, rbx\n", "only with instructions that change memory"),
        ("bits 63\n", "16, 32 or 64"),
        ("dt 5\n", "not whole numbers"),
        ("mov rax, x * y\nx:\ny:\n", "multiplied by a number only"),
    ],
)
def test_other_messages_are_in_plain_words_too(source: str, message: str) -> None:
    found = assemble(source).diagnostics
    assert any(message in d.message or message in d.help for d in found), [
        (d.nasm_message, d.message) for d in found
    ]
