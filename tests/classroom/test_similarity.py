"""Copies are found however they are dressed up, and works of different people are not."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import pytest

from toolkit.classroom.similarity import fingerprint, normalise, rank

COURSE = Path(__file__).resolve().parents[2] / "exercises"
ORIGINAL = (COURSE / "ch04/map_sum/reference/map_sum.asm").read_text()
SWAPS = {
    "rax": "rcx",
    "rbx": "r12",
    "rcx": "rax",
    "r12": "rbx",
    "rsi": "r13",
    "r13": "rsi",
    "eax": "ecx",
    "ecx": "eax",
}


def rename_registers(source: str) -> str:
    return re.sub(r"\b(" + "|".join(SWAPS) + r")\b", lambda found: SWAPS[found[0]], source)


def rename_labels(source: str) -> str:
    names = sorted(
        set(re.findall(r"^([A-Za-z_.]\w*):", source, re.MULTILINE)) - {"_start"}, key=len, reverse=True
    )
    for number, name in enumerate(names):
        new = f".q{number}" if name.startswith(".") else f"other_{number}"
        source = re.sub(r"(?<![\w.])" + re.escape(name) + r"\b", new, source)
    return source


def insert_nops(source: str) -> str:
    lines = []
    for line in source.splitlines():
        lines += [line, *(["    nop"] if line.startswith("    ") else [])]
    return "\n".join(lines)


def reorder(source: str) -> str:
    """The global functions in another order."""
    parts = re.split(r"(?m)^(?=[A-Za-z_]\w*:)", source)
    return "\n".join([parts[0], *reversed(parts[1:])])


def comments(source: str) -> str:
    return "; mine\n" + re.sub(r";.*", "; all my own work", source).replace("    ", "\t")


def all_of_it(source: str) -> str:
    return comments(insert_nops(reorder(rename_labels(rename_registers(source)))))


DRESSED = (rename_registers, rename_labels, insert_nops, reorder, comments, all_of_it)


@pytest.mark.parametrize("dress", DRESSED)
def test_a_copy_is_found(dress) -> None:  # type: ignore[no-untyped-def]
    copy = dress(ORIGINAL)
    assert copy != ORIGINAL
    (pair,) = rank({"ada": ORIGINAL, "bob": copy}, "ch04/map_sum")
    assert pair.similarity >= 0.8, pair
    assert pair.lines


def references() -> dict[str, str]:
    found = {}
    for path in sorted(COURSE.glob("*/*/reference/*.asm")):
        folder = path.parent.parent
        if path.stem == folder.name:
            found[f"{folder.parent.name}/{folder.name}"] = path.read_text()
    return found


def test_references_of_other_exercises_are_not_flagged() -> None:
    sources = references()
    assert len(sources) > 40
    pairs = rank(sources, "all", threshold=0.5)
    allowed = [pair for pair in pairs if pair.left.split("/")[0] != pair.right.split("/")[0]]
    assert not allowed, [(pair.left, pair.right, pair.similarity) for pair in allowed]


def test_a_copy_among_the_whole_course() -> None:
    sources = {**references(), "copy": all_of_it(ORIGINAL)}
    best = rank(sources, "all")[0]
    assert {best.left, best.right} == {"ch04/map_sum", "copy"}


def test_the_starter_and_what_all_share_are_ignored() -> None:
    shared = ORIGINAL
    own = [f"\nf{n}:\n" + "".join(f"    {m}\n" for m in random.Random(n).choices(
        ["add rax, 1", "sub rbx, [rsi]", "imul rcx, rdx", "xor al, bl", "shl rdi, 3", "cmp r8, r9", "push rax", "pop rdx"], k=25))
        for n in range(6)]  # fmt: skip
    sources = {f"s{n}": shared + text for n, text in enumerate(own)}
    assert rank(sources, "x") == []
    two = dict(itertools.islice(sources.items(), 2))
    assert rank(two, "x")[0].similarity > 0.4
    assert rank(two, "x", starters=[shared]) == []


def test_nothing_and_nonsense() -> None:
    assert rank({"a": "", "b": "", "c": "; only a comment\n\x00\xff", "d": "%%%[[[:::"}, "x") == []
    assert fingerprint("").instructions == 0


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("mov rax, rbx ; copy", "mov r64,r64"),
        ("again: mov r9d, 5", "mov r32,imm"),
        ("mov al, [rsi + rcx*4 + table]", "mov r8,mem2"),
        ("mov qword [table], 'abc'", "mov mem0,imm"),
        ("jz done", "je sym"),
        ("rep movsb", "rep movsb"),
        ("nop", None),
        ("mov rax, rax", None),
        ("text: db 'mov rax, 1'", None),
        ("section .text", None),
        ("count equ 5", None),
        ("mov rdx, text_end - text", "mov r64,sym"),
        ("cmp byte [rdi], ';' ; a quote", "cmp mem1,imm"),
    ],
)
def test_what_is_left_of_a_line(line: str, token: str | None) -> None:
    found = [each.text for stream in normalise(line) for each in stream]
    assert found == ([token] if token else [])
