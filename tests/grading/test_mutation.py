"""Automatic mutants: which changes are made of a line, and how an exercise's score comes about."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grading.fakes import FakeSandbox, write_exercise
from toolkit.grading.evidence import Broken, BuildEvidence, BuildRequest, Evidence, RunRequest
from toolkit.grading.exercise import Exercise
from toolkit.grading.mutation import full_register, mutations, negate
from toolkit.grading.scoring import score
from toolkit.grading.trace import seen_arguments

LINES: dict[str, set[tuple[str, str]]] = {
    "    mov eax, 60 ; comment": {
        ("instruction dropped", ""),
        ("constant", "    mov eax, 61"),
        ("constant", "    mov eax, 59"),
        ("operands swapped", "    mov 60, eax"),
        ("register", "    mov ebx, 60"),
    },
    "x: db 'a1', 0x10": {("constant", "x: db 'a1', 17"), ("constant", "x: db 'a1', 15")},
    "SIZE equ 1": {("constant", "SIZE equ 2"), ("constant", "SIZE equ 0")},
    "    inc qword [rax]": {
        ("instruction dropped", ""),
        ("size", "    inc dword [rax]"),
        ("register", "    inc qword [rbx]"),
        ("size", "    inc qword [eax]"),
    },
    "    ret": {("instruction dropped", "")},
    "section .text": set(),
    "global _start": set(),
    "%define X 1": set(),
    "; mov eax, 1": set(),
    "label:": set(),
    "": set(),
}


@pytest.mark.parametrize("line", LINES)
def test_changes_of_a_line(line: str) -> None:
    assert {(each.kind, each.after) for each in mutations(line)} == LINES[line]


CONDITIONS = {
    "je": "jne",
    "jne": "je",
    "jnz": "jz",
    "setg": "setng",
    "cmovnae": "cmovae",
    "ja": "jna",
    "jmp": None,
    "call": None,
    "jno": "jo",
}


@pytest.mark.parametrize("mnemonic", CONDITIONS)
def test_conditions(mnemonic: str) -> None:
    assert negate(mnemonic) == CONDITIONS[mnemonic]


def test_a_change_touches_its_line_only() -> None:
    source = "a: db 1\n    ret\n    ret"
    assert [each.apply(source) for each in mutations(source)] == [
        "a: db 2\n    ret\n    ret",
        "a: db 0\n    ret\n    ret",
        "a: db 1\n\n    ret",
        "a: db 1\n    ret\n",
    ]


class LanguageSandbox(FakeSandbox):
    """``n: db STATUS`` says the exit status, ``m: db OUTPUT`` is printed, ``o: db X`` means nothing; 9 does not assemble."""

    def build(self, request: BuildRequest) -> BuildEvidence | Broken:
        source = b"".join(each.data for each in request.sources)
        return BuildEvidence() if b"9" in source else BuildEvidence(elf=source)

    def run(self, request: RunRequest) -> Evidence | Broken:
        lines = b"".join(each.data for each in request.build.sources).decode().splitlines()
        values = {line.split()[0]: line.split()[2] for line in lines}
        return Evidence(exit_code=int(values["n:"]), stdout=values["m:"].encode())


def test_the_score(tmp_path: Path) -> None:
    grader = (
        "from toolkit.grading import check\n@check('c')\ndef c(program):\n    program.run().expect.exit(0)\n"
    )
    source = "n: db 0\nm: db 8\no: db 5\n"
    folder = write_exercise(tmp_path / "ch04" / "prog", grader, reference__prog_dot_asm=source)
    found = score(Exercise(folder), LanguageSandbox())
    assert (found.killed, len(found.equivalent), found.broken) == (1, 2, [])  # n: 1; o: 4 and 6
    assert [each.after for each in found.survivors] == ["m: db 7"]  # m: 9 does not assemble
    assert found.share == 0.5
    (folder / "survivors.md").write_text("- `m: db 8` → `m: db 7`: the output is free.\n", encoding="utf-8")
    again = score(Exercise(folder), LanguageSandbox())
    assert (again.survivors, len(again.justified), again.stale) == ([], 1, [])


def test_reasons_must_be_the_survivors_exactly(tmp_path: Path) -> None:
    grader = (
        "from toolkit.grading import check\n@check('c')\ndef c(program):\n    program.run().expect.exit(0)\n"
    )
    folder = write_exercise(
        tmp_path / "ch04" / "prog", grader, reference__prog_dot_asm="n: db 0\nm: db 8\nm: db 8\n"
    )
    reason = "- `m: db 8` → `m: db 7`: the output is free.\n"
    (folder / "survivors.md").write_text(f"{reason}- `m: db 8` → `m: db 6`: gone.\n", encoding="utf-8")
    found = score(Exercise(folder), LanguageSandbox())
    assert (len(found.justified), len(found.survivors)) == (1, 0)  # the first m: is overwritten by the second
    assert found.stale == [("m: db 8", "m: db 6")]
    (folder / "survivors.md").write_text(reason * 2, encoding="utf-8")
    assert score(Exercise(folder), LanguageSandbox()).stale == [("m: db 8", "m: db 7")]


def test_every_source_is_mutated(tmp_path: Path) -> None:
    grader = (
        "from toolkit.grading import check\nSOURCES = ['prog.asm', 'more.asm']\n"
        "@check('c')\ndef c(program):\n    program.run().expect.exit(0)\n"
    )
    folder = write_exercise(
        tmp_path / "ch04" / "prog",
        grader,
        more_dot_asm="x",
        reference__prog_dot_asm="n: db 0\nm: db 8\n",
        reference__more_dot_asm="k: db 3\n",
    )
    found = score(Exercise(folder), LanguageSandbox())
    assert [each.after for each in found.equivalent] == ["k: db 4", "k: db 2"]


SEEN = {
    "open, reading": ("elf64", "open", 2, (0x1000, 0, 9, 9, 9, 9), (0x1000, 0)),
    "open, creating": ("elf64", "open", 2, (0x1000, 0o101, 0o644, 9, 9, 9), (0x1000, 0o101, 0o644)),
    "an anonymous mapping": ("elf64", "mmap", 9, (0, 4096, 3, 0x22, 7, 8), (0, 4096, 3, 0x22)),
    "a mapped file": ("elf64", "mmap", 9, (0, 4096, 3, 2, 7, 0), (0, 4096, 3, 2, 7, 0)),
    "a status": ("elf64", "exit", 60, (0x1FF, 1, 2, 3, 4, 5), (0xFF,)),
    "an int": ("elf64", "close", 3, (0x1_0000_0003, 1, 2, 3, 4, 5), (3,)),
    "mremap, not to a place": ("elf64", "mremap", 25, (4096, 1, 2, 1, 7, 9), (4096, 1, 2, 1)),
    "i386": ("elf32", "close", 6, (3, 1, 2, 3, 4, 5), (3,)),
}


@pytest.mark.parametrize("case", SEEN)
def test_the_arguments_that_the_kernel_looks_at(case: str) -> None:
    output_format, name, number, values, seen = SEEN[case]
    assert seen_arguments(output_format, name, number, values) == seen


@pytest.mark.parametrize(
    ("name", "whole"), [("al", "rax"), ("r9d", "r9"), ("rsp", "rsp"), ("label", "label")]
)
def test_the_whole_register(name: str, whole: str) -> None:
    assert full_register(name) == whole
