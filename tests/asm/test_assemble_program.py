"""``assemble`` and ``build`` from outside: results, diagnostics, limits."""

from __future__ import annotations

import io
import pickle
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from toolkit.asm import assemble, build
from toolkit.asm.source import SourceTree

HELLO = """global _start
section .data
msg: db "hello", 10
len equ $-msg
section .text
_start:
    mov eax, 1
    mov edi, 1
    lea rsi, [rel msg]
    mov edx, len
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""


def flat(source: str) -> bytes:
    result = assemble("bits 64\n" + source, format="bin")
    assert result.object is not None, [d.render() for d in result.diagnostics]
    return result.object


def errors(source: str, **options: object) -> list[tuple[int, str]]:
    result = assemble(source, **options)  # type: ignore[arg-type]
    return [(d.span.line, d.nasm_message) for d in result.diagnostics if d.is_error]


def test_an_object_and_its_lines() -> None:
    result = assemble(HELLO, name="hello.asm")
    assert result.object is not None
    assert result.object[:4] == b"\x7fELF"
    row = result.lines.find(0, ".text")
    assert row is not None
    assert (row.file, row.line) == ("hello.asm", 7)
    assert pickle.loads(pickle.dumps(result)).object == result.object


def test_build_links() -> None:
    built = build(HELLO)
    assert built.elf is not None
    assert built.symbols["_start"] == 0x401000
    assert built.lines.find(0x401000) is not None


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("jmp x\ntimes 127 nop\nx:", b"\xeb\x7f" + b"\x90" * 127),
        ("jmp x\ntimes 128 nop\nx:", b"\xe9\x80\0\0\0" + b"\x90" * 128),
        ("x: times 126 nop\njmp x", b"\x90" * 126 + b"\xeb\x80"),
        ("add eax, x\nx equ 5", b"\x83\xc0\x05"),
        ("add eax, x\nx equ 500", b"\x05\xf4\x01\0\0"),
        ("nop\n%assign n $-$$\ndb n", b"\x90\x01"),
        ("jmp y\n%assign n $-$$\ntimes n db 1\ny:", b"\xeb\x02\1\1"),
        ("a: resb 3\nb: db b-a", b"\0\0\0\3"),
        ("dd y-x\nx: times 3 db 1\ny:", b"\3\0\0\0\1\1\1"),
        ("a: nop\n.l: jmp .l\nb: nop\n.l: jmp a.l", b"\x90\xeb\xfe\x90\xeb\xfb"),
        ("absolute 0x100\nx: resw 2\ny:\nsection .text\ndw x, y", b"\0\1\4\1"),
        ("mov rax, [x]\nx:\ndefault rel", b"\x48\x8b\x05\0\0\0\0"),
    ],
)
def test_layout(source: str, code: bytes) -> None:
    assert flat(source) == code


def test_all_errors_are_told_in_one_run() -> None:
    source = "mov eax, [ebx\nmov [rax], 5\nmov eax, nowhere\nfoo:\nnop\nfoo: nop\njmp short far_away\ntimes 200 nop\nfar_away:"
    assert errors(source) == [
        (1, "expecting ] at end of memory operand"),
        (2, "operation size not specified"),
        (3, "symbol `nowhere' not defined"),
        (6, "label `foo' inconsistently redefined"),
        (7, "short jump is out of range"),
    ]


def test_an_error_inside_a_macro_names_the_call() -> None:
    result = assemble("%macro two 1\nnop\nmov %1, [\n%endmacro\nnop\ntwo eax\n")
    (problem,) = result.diagnostics
    assert problem.span.line == 6
    assert problem.trail[0].name == "two"
    assert "macro" in problem.render()


@pytest.mark.parametrize("source", ["sycall\n", "mov al, 300\n", "db\n"])
def test_strict_makes_suspicious_warnings_errors(source: str) -> None:
    relaxed = assemble(source)
    assert relaxed.object is not None
    assert [d.severity for d in relaxed.diagnostics] == ["warning"]
    assert assemble(source, strict=True).object is None


def test_warning_switches() -> None:
    assert not assemble("db 300", warnings=["-number-overflow"]).diagnostics
    assert assemble("db 300", warnings=["error"]).object is None
    assert not assemble("[warning -number-overflow]\ndb 300").diagnostics


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("times 1<<40 nop", "larger than"), ("x: times 1<<40 jmp x", "larger than"), ("db 1<<40 dup (1)", "DUP makes more than"),
        ("resb 1<<50", "larger than"), ("section .bss\nresq 1<<62", "larger than"), ("align 1<<40", "absurdly large"),
        ("dd " + "(" * 50000 + "1" + ")" * 50000, "expression too long"), ("a equ b+1\nb equ a+1\ndd a", "unable to find valid values"),
        ("db " + "2 dup (" * 200 + "1" + ")" * 200, "expression too long"),
    ],
)  # fmt: skip
def test_limits(source: str, words: str) -> None:
    begin = time.process_time()
    assert any(words in message for _, message in errors(source))
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "source", ["", "\n\n", "\0\0", "; nothing", "\x7fELF\x02\x01\0\0", "a" * 100_000, "é: jmp é"]
)
@pytest.mark.parametrize("format", ["elf64", "elf32", "bin"])
def test_odd_input_never_raises(source: str, format: str) -> None:
    assemble(source, format=format)


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match="output format `coff'"):
        assemble("nop", format="coff")


def test_incbin_and_include_stay_in_their_tree() -> None:
    tree = SourceTree.from_memory(
        {"a.asm": b'incbin "x.dat", 1, 2\n%include "b.inc"\n', "x.dat": b"12345", "b.inc": b"nop\n"}
    )
    result = assemble("", name="a.asm", tree=tree, format="bin")
    assert result.object == b"23\x90"
    assert assemble('incbin "/etc/passwd"').object is None
    assert assemble('%include "/etc/passwd"').object is None


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "p.asm").write_bytes(b'db "\xff"\n')
    assert assemble(tmp_path / "p.asm", format="bin").object == b"\xff"
    assert assemble(tmp_path / "missing.asm").object is None


def test_flat_sections_that_contradict_themselves() -> None:
    assert errors("section a follows=b\ndb 1\nsection b follows=a\ndb 1", format="bin")
    assert errors("section a\ndb 1\nsection b start=1<<40\ndb 1", format="bin")


def test_listing() -> None:
    result = assemble("%define K 5\nx: mov eax, K ; five\n times 3 dd x\n", listing=True)
    assert result.listing() == (
        "     1                                  %define K 5\n"
        "     2 00000000 B805000000              x: mov eax, K ; five\n"
        "     3 00000005 [00000000]<rep 3h>       times 3 dd x\n"
    )
    with pytest.raises(ValueError, match="listing=True"):
        assemble("nop").listing()


@pytest.mark.parametrize(("format", "machine"), [("elf64", "x64"), ("elf32", "x86")])
def test_debug_lines_are_read_by_another_reader(format: str, machine: str) -> None:
    source = "section .text\nnop\n%macro two 0\nnop\n%endmacro\ntwo\nsection .more exec\nret\n"
    result = assemble(source, name="d.asm", format=format, debug=True)
    assert result.object is not None
    elf = ELFFile(io.BytesIO(result.object))
    assert elf.get_machine_arch() == machine
    (unit,) = elf.get_dwarf_info().iter_CUs()
    assert unit.get_top_DIE().attributes["DW_AT_name"].value == b"d.asm"
    program = elf.get_dwarf_info().line_program_for_CU(unit)
    states = [entry.state for entry in program.get_entries() if entry.state is not None]
    found = [(state.address, state.line) for state in states if not state.end_sequence]
    assert found == [(0, 2), (1, 4), (0, 8)]


def test_either_encoder_can_be_forced() -> None:
    table = assemble(HELLO, encoder="table")
    assert table.object is not None
    assert table.object == assemble(HELLO, encoder="auto").object
    with pytest.raises(ValueError, match="encoder"):
        assemble(HELLO, encoder="magic")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('incbin "missing"', "there is no file `missing'"),
        ('incbin "../x.dat"', "../x.dat' lies outside the source's folder"),
        ('incbin "/etc/passwd", 3', "`/etc/passwd' lies outside the source's folder"),
        ('incbin "a.asm", 1, 2, 3', "takes two numbers"),
    ],
)
def test_incbin_says_what_is_wrong_with_its_file(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(b"secret")
    source = tmp_path / "work" / "a.asm"
    source.parent.mkdir()
    source.write_text(line + "\n")
    (error,) = assemble(source).diagnostics
    assert words in error.message
    assert error.nasm_message.startswith("`incbin': ")
    assert error.help


def test_messages_come_in_the_order_of_the_lines() -> None:
    """Also in a second pass, for which the preprocessor does not run again."""
    source = "jmp later\n bad a, b\n%if\n%endif\nnop\n%error stop\n db\nlater: mov al, 300\n%warning end\n"
    assert [diagnostic.span.line for diagnostic in assemble(source).diagnostics] == [2, 3, 6, 7, 8, 9]
