"""What a refusal says beyond nasm's words: the operands, the nearest legal forms, the operand, size or mode at fault."""

from __future__ import annotations

import pytest

from toolkit.asm.encode import EncodeError, encode
from toolkit.asm.encoder_errors import Explanation
from toolkit.asm.encoder_explain import describe_word
from toolkit.asm.instructions import forms, mnemonics
from toolkit.asm.parser import parse_line
from toolkit.asm.statement import EncodingContext


def explanation(text: str, bits: int = 64) -> Explanation:
    instruction = parse_line(text).instruction
    assert instruction is not None
    with pytest.raises(EncodeError) as caught:
        encode(instruction, EncodingContext(bits=bits))
    return caught.value.explanation


@pytest.mark.parametrize(
    ("text", "written", "operand", "legal"),
    [
        ("mov [rax], [rbx]", ("memory", "memory"), 1, "mov memory, 64-bit general register"),
        ("mov rax, ebx", ("64-bit register rax", "32-bit register ebx"), 0, "mov 32-bit general register, 32-bit general register"),
        ("lea rax, rbx", ("64-bit register rax", "64-bit register rbx"), 1, "lea 64-bit general register, memory"),
        ("shl rax, rbx", ("64-bit register rax", "64-bit register rbx"), 1, "shl 64-bit general register or memory, cl"),
        ("in eax, ecx", ("32-bit register eax", "32-bit register ecx"), 1, "in eax, dx"),
        ("idiv rax, rsi", ("64-bit register rax", "64-bit register rsi"), None, "idiv 64-bit general register or memory"),
        ("addps xmm1, rax", ("xmm register xmm1", "64-bit register rax"), 1, "addps xmm register, xmm register or 128-bit memory"),
        ("mul 5", ("immediate",), 0, "mul 64-bit general register or memory"),
        ("mov rax, dword [rbx]", ("64-bit register rax", "32-bit memory"), None, "mov 64-bit general register, memory"),
    ],
)  # fmt: skip
def test_nearest_forms(text: str, written: tuple[str, ...], operand: int | None, legal: str) -> None:
    found = explanation(text)
    assert found.written == written
    assert found.operand == operand
    assert legal in found.legal


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("mov [rax], 5", ("byte", "word", "dword", "qword")),
        ("inc [rax]", ("byte", "word", "dword", "qword")),
        ("fld [rax]", ("dword", "qword", "tword")),
        ("movzx rax, [rbx]", ("byte", "word")),
        ("push [rax]", ("word", "qword")),
    ],
)
def test_sizes_that_would_do(text: str, sizes: tuple[str, ...]) -> None:
    assert explanation(text).sizes == sizes


@pytest.mark.parametrize(
    ("text", "bits", "modes"),
    [("push eax", 64, (16, 32)), ("mov rax, rbx", 32, (64,)), ("aaa", 64, (16, 32)), ("syscall 5", 64, ())],
)
def test_modes_that_have_it(text: str, bits: int, modes: tuple[int, ...]) -> None:
    assert explanation(text, bits).modes == modes


def test_only_forms_of_the_mode_are_offered() -> None:
    assert not [text for text in explanation("push al", 64).legal if "32-bit" in text]


def test_every_word_of_the_table_has_a_description() -> None:
    words = {word for mnemonic in mnemonics() for form in forms(mnemonic) for word in form.words}
    assert not sorted(word for word in words if not describe_word(word))
