"""Lines into statements."""

from __future__ import annotations

import pytest

from toolkit.asm import assemble, parser
from toolkit.asm.data import Bytes, Repeat, Reserve
from toolkit.asm.parser import Statement, parse_line
from toolkit.asm.statement import ImmediateOperand, MemoryOperand, RegisterOperand


@pytest.mark.parametrize(
    ("line", "label", "mnemonic"),
    [
        ("foo: nop", "foo", "nop"), ("foo nop", "foo", "nop"), ("nop", None, "nop"), ("mov: nop", "mov", "nop"),
        ("$eax: nop", "eax", "nop"), (".l: nop", ".l", "nop"), ("db: nop", "db", "nop"), ("foo:", "foo", ""),
        ("a equ 5", "a", "equ"), ("lock inc dword [eax]", None, "inc"),
    ],
)  # fmt: skip
def test_labels(line: str, label: str | None, mnemonic: str) -> None:
    statement = parse_line(line)
    assert (statement.label, statement.mnemonic, statement.error) == (label, mnemonic, None)


def test_a_lone_word_is_a_label_to_be_warned_of() -> None:
    assert parse_line("sycall").lone_label
    assert not parse_line("sycall:").lone_label


def operand(text: str) -> object:
    statement = parse_line("mov " + text)
    assert statement.error is None
    return statement.operands[-1]


def test_memory_operands() -> None:
    memory = operand("eax, dword [fs:byte ebx+ecx*4+8]")
    assert isinstance(memory, MemoryOperand)
    assert memory.value.terms == (("ebx", 1), ("ecx", 4))
    assert (memory.value.constant, memory.size, memory.segment_override) == (8, 4, "fs")
    assert (memory.displacement_size, memory.hint_base) == (1, "ebx")
    other = operand("rax, [rel 5]")
    assert isinstance(other, MemoryOperand)
    assert other.relative is True
    split = operand("rax, [rbx+4,rcx*2]")
    assert isinstance(split, MemoryOperand)
    assert split.split_index is not None


def test_registers_and_immediates() -> None:
    register = operand("dword eax")
    assert isinstance(register, RegisterOperand)
    assert (register.name, register.size) == ("eax", 4)
    immediate = operand("eax, strict dword 5+2")
    assert isinstance(immediate, ImmediateOperand)
    assert (immediate.value.constant, immediate.size, immediate.strict) == (7, 4, True)
    far = parse_line("jmp 0x10:0x20").operands[0]
    assert isinstance(far, ImmediateOperand)
    assert far.segment is not None
    assert (far.segment.constant, far.value.constant) == (16, 32)


def test_decorators() -> None:
    statement = parse_line("vaddps zmm1{k1}{z}, zmm2, [rax]{1to16}")
    first, last = statement.operands[0], statement.operands[-1]
    assert isinstance(first, RegisterOperand)
    assert isinstance(last, MemoryOperand)
    assert (first.opmask, first.zeroing, last.broadcast) == ("k1", True, 16)
    rounded = parse_line("vaddps zmm1, zmm2, zmm3, {rn-sae}")
    assert (rounded.decorators, rounded.decorated_operand) == (("{rn-sae}",), 2)


def test_data_items_are_joined() -> None:
    statement = parse_line("db 1, 'ab', 0x41+1, 2 dup (3, ?), `\\n`")
    assert statement.items[0] == Bytes(b"\1abB")
    repeat = statement.items[1]
    assert isinstance(repeat, Repeat)
    assert repeat.items == (Bytes(b"\3"), Reserve(1))
    assert statement.items[2] == Bytes(b"\n")


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ("dw 'abc', 1", b"abc\0\1\0"), ("dd 1.5", bytes.fromhex("0000c03f")), ("dq -1.0", bytes.fromhex("000000000000f0bf")),
        ("dt 33p", bytes.fromhex("33000000000000000000")), ("dw 65520.0", bytes.fromhex("ff7b")),
        ("dw __utf16__('é')".encode().decode("latin-1"), bytes.fromhex("e900")), ("db word (1,2),3", b"\1\0\2\0\3"),
        ("db 1 ? 2 : 3", b"\2"), ("db 300", b","),
    ],
)  # fmt: skip
def test_constant_data(line: str, data: bytes) -> None:
    assert parse_line(line).items == (Bytes(data),)


def error(statement: Statement) -> str:
    assert statement.kind == parser.WRONG
    assert statement.error is not None
    return statement.error.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mov eax, [ebx", "expecting ] at end of memory operand"), ("5", "label or instruction expected at start of line"),
        ("foo bar baz", "parser: instruction expected"), ("mov eax ebx", "comma, colon, decorator or end of line expected after operand"),
        ("equ 5", "EQU not preceded by label"), ("mov eax,,5", "expression syntax error"), ("[foo", "invalid directive line"),
        ("mov eax, -ebx", "invalid operand type"), ("mov eax, [ds:es:ebx]", "instruction has conflicting segment overrides"),
        ("rep repne movsb", "instruction has conflicting prefixes"), ("incbin 5", "`incbin' expects a file name"),
        ("mov eax, far 5", "invalid use of FAR operand specifier"), ("mov eax, [[ebx]]", "excess brackets in memory operand"),
    ],
)  # fmt: skip
def test_wrong_lines(line: str, message: str) -> None:
    assert error(parse_line(line)) == message


def test_the_place_of_an_error() -> None:
    statement = parse_line("  mov eax ebx")
    assert statement.error is not None
    assert (statement.error.start, statement.error.end) == (10, 13)


@pytest.mark.parametrize(
    "text",
    [
        "db {}",
        "label: dw {}",
        "label dd {}",
        "  times 3 dq {}  ",
        "  .local:\tDB {}",
        "x equ db {}",
        "db 1 {}",
        "db 256, {}",
        "db 0x10, {}",
        "db 'a', {}",
        "resb {}",
        "movv {}",
        "db {},",
        "rax: db {}",
    ],
)
def test_a_long_line_of_numbers_is_what_a_short_one_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = text.format(", ".join(str(number % 256) for number in range(1500)))
    quick = assemble(line, format="bin")
    monkeypatch.setattr(parser, "LONG_LINE", 1 << 40)
    slow = assemble(line + " ", format="bin")
    assert quick.object == slow.object
    assert [d.render_nasm() for d in quick.diagnostics] == [d.render_nasm() for d in slow.diagnostics]
