"""Our preprocessor against ``nasm -E``: hand-written cases through the manual's chapters 4 to 6, and random programs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from preprocess_oracle import CASES as FOLDER
from preprocess_oracle import assembled_by_nasm, assembled_by_us, load_cases, nasm, ours

pytestmark = pytest.mark.differential
FULL = os.environ.get("TOOLKIT_SWEEP") == "full"
CASES = list(load_cases())


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 280
    assert len({title for title, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("title", "program"), CASES, ids=[title for title, _ in CASES])
def test_case(title: str, program: str) -> None:
    expected, actual = nasm(program), ours(program)
    assert actual.lines == expected.lines
    assert actual.messages == expected.messages


# what nasm says of its last pass only, and so not at all where the first one found errors; we say everything at once
LATER = re.compile(r".*: error: instruction not supported in \d\d-bit mode$")
OBJECTS = [
    pytest.param(form, program, id=f"{form}: {title}")
    for form in ("elf64", "elf32", "bin")
    for title, program in load_cases(FOLDER / "objects")
]


@pytest.mark.parametrize(("form", "program"), OBJECTS)
def test_object(form: str, program: str) -> None:
    expected, actual = assembled_by_nasm(program, form), assembled_by_us(program, form)
    said = actual.messages
    if expected.data is None and not any(LATER.match(message) for message in expected.messages):
        said = [message for message in said if not LATER.match(message)]
    assert said == expected.messages
    assert actual.data == expected.data


NAMES = st.sampled_from(["a", "b", "c", "foo", "Foo", "x1"])
NUMBERS = st.integers(0, 20).map(str)
WORDS = st.one_of(
    NAMES, NUMBERS, st.sampled_from(["'s'", '"t,u"', "(1)", "{a,b}", "%+", "+", "eax", "", "1.5"])
)
VALUES = st.lists(WORDS, max_size=4).map(" ".join)
EXPRESSIONS = st.lists(NUMBERS, min_size=1, max_size=3).flatmap(
    lambda numbers: st.sampled_from(["+", "*", "-", "==", "<", "&&", "|"]).map(
        lambda op: f" {op} ".join(numbers)
    )
)
ARGUMENTS = st.lists(st.one_of(NAMES, NUMBERS, st.just("{1,2}"), st.just("'q'")), max_size=3).map(", ".join)


@st.composite
def simple_lines(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 9))
    name, value, arguments = draw(NAMES), draw(VALUES), draw(ARGUMENTS)
    match kind:
        case 0:
            return f"%{draw(st.sampled_from(['define', 'xdefine', 'idefine']))} {name} {value}"
        case 1:
            return f"%define {name}(p,q) p {draw(st.sampled_from(['+', '%+', '%,', '']))} q {value}"
        case 2:
            return f"%assign {name} {draw(EXPRESSIONS)}"
        case 3:
            return f"%undef {name}"
        case 4:
            return f"db {value}, {name}({arguments})"
        case 5:
            return f" {name} {arguments}"
        case 6:
            return f"{name}: {draw(NAMES)} {arguments}"
        case 7:
            return f"%defstr {name} {value}"
        case 8:
            return f"db %%l, %1, %{{-1:1}}, %0 {name}"
        case _:
            return f"db %[{name}], %[x{name}]"


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 5 if depth < 3 else 2))
        if kind <= 2:
            lines.append(draw(simple_lines()))
        elif kind == 3:
            test = draw(
                st.sampled_from(["%if {e}", "%ifdef {n}", "%ifidn {n},a", "%ifnum {n}", "%ifmacro {n} 1"])
            )
            lines.append(test.format(e=draw(EXPRESSIONS), n=draw(NAMES)))
            lines += draw(blocks(depth + 1))
            if draw(st.booleans()):
                lines += ["%else", *draw(blocks(depth + 1))]
            lines.append("%endif")
        elif kind == 4:
            leave = ["%exitrep"] if draw(st.integers(0, 3)) == 0 else []
            lines += [f"%rep {draw(st.integers(0, 3))}", *draw(blocks(depth + 1)), *leave, "%endrep"]
        else:
            count = draw(st.sampled_from(["0", "1", "2", "0-1 9", "1-*", "1+", "0-2 a,b"]))
            lines += [f"%macro {draw(NAMES)} {count}", *draw(blocks(depth + 1)), "%endmacro"]
    return lines


def agree(lines: list[str]) -> None:
    """Compare one program; programs on which nasm's own assertions fail say nothing."""
    program = "\n".join(lines) + "\n"
    expected = nasm(program)
    if any(message.startswith("panic") for message in expected.messages):
        return
    actual = ours(program)
    assert actual.lines == expected.lines
    assert actual.messages == expected.messages


@given(blocks())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_random_programs(lines: list[str]) -> None:
    agree(lines)


@pytest.mark.slow
@given(blocks())
@settings(
    max_examples=3000 if FULL else 400,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=not FULL,
)
def test_many_random_programs(lines: list[str]) -> None:
    """The same programs each time in CI; TOOLKIT_SWEEP=full draws others, to find what nobody has seen yet."""
    agree(lines)
