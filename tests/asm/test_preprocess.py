"""The preprocessor by itself: places of lines, stability, limits, and that nothing makes it fail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.asm import assemble
from toolkit.asm.diagnostics import Diagnostic
from toolkit.asm.preprocess import Evaluate, Preprocessor, SourceLine
from toolkit.asm.preprocess.evaluation import preprocess_only
from toolkit.asm.preprocess.tokens import quote, text_of, tokenize, unquote
from toolkit.asm.source import SourceTree
from toolkit.asm.statement import Value


def run(
    program: str,
    *,
    files: dict[str, bytes] | None = None,
    evaluate: Evaluate = preprocess_only,
    **options: object,
) -> tuple[list[SourceLine], list[Diagnostic], Preprocessor]:
    tree = SourceTree.from_memory({"t.asm": program.encode("latin-1"), **(files or {})})
    said: list[Diagnostic] = []
    preprocessor = Preprocessor(tree, "t.asm", report=said.append, **options)  # type: ignore[arg-type]
    return list(preprocessor.lines(evaluate)), said, preprocessor


def texts(program: str, **options: object) -> list[str]:
    return [line.text.strip(" \t") for line in run(program, **options)[0]]  # type: ignore[arg-type]


def test_a_line_knows_where_it_was_written_and_who_called() -> None:
    program = "%macro inner 1\n mov eax, %1\n%endmacro\n%macro outer 0\n nop\n inner 5\n%endmacro\nouter\n"
    lines, said, _ = run(program)
    assert not said
    assert [(line.text.strip(), line.line, line.report_line) for line in lines] == [
        ("nop", 5, 8),
        ("mov eax, 5", 2, 8),
    ]
    assert [(f.name, f.line) for f in lines[1].trail] == [("inner", 2), ("outer", 6)]
    assert lines[1].original == "outer"
    assert lines[1].span(3, 2).line == 8


def test_columns_of_an_unchanged_line_are_kept() -> None:
    line = run("  mov  rax, rbx ; comment\n")[0][0]
    assert line.text == "  mov  rax, rbx"
    assert line.span(13, 3) == run("  mov  rax, rbx ; comment\n")[0][0].span(13, 3)
    assert line.span(13, 3).column == 13


def test_included_files_have_their_own_lines() -> None:
    lines, said, _ = run('%include "a.inc"\ndb 2\n', files={"a.inc": b"\ndb 1\n"})
    assert [(line.file, line.line, line.text) for line in lines] == [
        ("a.inc", 2, "db 1"),
        ("t.asm", 2, "db 2"),
    ]
    assert not said


def test_require_reads_a_file_once() -> None:
    assert texts('%require "a.inc"\n%require "a.inc"\n%include "a.inc"\n', files={"a.inc": b"db 1\n"}) == [
        "db 1",
        "db 1",
    ]


def test_definitions_from_the_command_line() -> None:
    options = {"defines": [("A", "5"), ("B", "")], "undefines": ["C"], "before": ["%define D 7"]}
    assert texts("db A, D\n%ifdef B\ndb 1\n%endif\n", **options) == ["db 5, 7", "db 1"]


@pytest.mark.parametrize(("bits", "word"), [(16, "word"), (32, "dword"), (64, "qword")])
def test_bits_follow_the_assembler(bits: int, word: str) -> None:
    tree = SourceTree.from_memory({"t.asm": b"nop\ndb __BITS__, __PTR__\n"})
    preprocessor = Preprocessor(tree, "t.asm")
    lines = preprocessor.lines(preprocess_only)
    next(lines)
    preprocessor.bits = bits
    assert next(lines).text == f"db {bits}, {word}"


@pytest.mark.parametrize(("form", "bits"), [("elf64", 64), ("elf32", 32), ("bin", 16)])
def test_bits_begin_as_the_format_has_them(form: str, bits: int) -> None:
    assert texts("db __BITS__\n", format=form) == [f"db {bits}"]


def test_dates_come_from_source_date_epoch() -> None:
    program = "db __DATE__, __TIME__, __UTC_DATE__\ndd __DATE_NUM__, __TIME_NUM__, __POSIX_TIME__\n"
    expected = ['db "2001-09-09", "01:46:40", "2001-09-09"', "dd 20010909, 014640, 1000000000"]
    assert texts(program, environment={"SOURCE_DATE_EPOCH": "1000000000"}) == expected
    assert texts(program, timestamp=1000000000) == expected


def test_the_hosts_environment_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "value")
    assert texts("db %!SECRET 1\n") == ["db  1"]


@pytest.mark.parametrize(
    ("program", "stable"),
    [
        ("%assign x 1+2\ndb x\n", True),
        ("%if 4 > 3\ndb 1\n%endif\n", True),
        ("%ifdef x\n%endif\n", True),
        ("here: %assign x here\n", True),  # not at the line's start, so no directive
        ("here:\n%assign x here\n", False),
        ("%if $ > 3\n%endif\n", False),
        ("%rep $-$$\n%endrep\n", False),
        ("db __PASS__\n", False),
    ],
)
def test_it_says_whether_a_pass_may_differ(program: str, stable: bool) -> None:
    assert run(program, evaluate=lambda text: (1, ""))[2].stable is stable


def test_the_evaluator_sees_the_present_pass() -> None:
    seen: list[str] = []

    def evaluate(text: str, /) -> tuple[int | Value, str]:
        seen.append(text.strip())
        return len(seen), ""

    assert texts("%assign a $-start\ndb a\n%rep 2 + end\ndb 0\n%endrep\n", evaluate=evaluate) == [
        "db 1",
        "db 0",
        "db 0",
    ]
    assert seen == ["$-start", "2 + end"]


def test_clear_forgets_macros() -> None:
    program = "%define foo 1\n%macro bar 0\n db 2\n%endmacro\n%clear macro\n db foo\n bar\n%clear\n db foo\n"
    assert texts(program) == ["db 1", "bar", "db foo"]
    assert texts("%push\n%define %$x 1\n%clear context define\ndb %$x\n%pop\n") == ["db ..@0.x"]


def test_exitmacro_leaves_repetitions_too() -> None:
    program = "%macro m 0\n%rep 3\ndb 1\n%exitmacro\ndb 2\n%endrep\ndb 3\n%endmacro\nm\ndb 9\n"
    assert texts(program) == ["db 1", "db 9"]


def test_strings_keep_the_bytes_of_the_file() -> None:
    assert texts("%define s 'é à'\ndb s, 'à'\n".encode().decode("latin-1")) == [
        "db 'é à', 'à'".encode().decode("latin-1")
    ]
    assert texts("name_à\n".encode().decode("latin-1"))[0].encode("latin-1") == "name_à".encode()


def test_a_missing_file_is_one_clear_error() -> None:
    _, said, _ = run('%include "io.inc"\nnop\n')
    assert [d.message for d in said] == ["there is no file `io.inc' beside the source or in an -I folder"]
    assert said[0].nasm_message == "unable to open include file `io.inc': No such file or directory"
    tree = SourceTree.from_memory({})
    preprocessor = Preprocessor(tree, "none.asm")
    assert not list(preprocessor.lines(preprocess_only))
    assert [d.severity for d in preprocessor.diagnostics] == ["fatal"]


RUNAWAYS: list[tuple[str, str, str]] = [
    ("a macro that calls itself", "%rmacro m 0\nm\n%endmacro\nm\n", "the macro `m' calls itself"),
    ("two macros that call each other twice", "%rmacro a 0\nb\nb\n%endmacro\n%rmacro b 0\na\na\n%endmacro\na\n", "calls itself"),
    ("a text that doubles", "%define a0 x\n" + "".join(f"%define a{i + 1} a{i} a{i}\n" for i in range(60)) + "db a60\n", "expand without end"),
    ("xdefine that doubles", "%define x a\n" + "%xdefine x x x\n" * 60 + "db x\n", "expand without end"),
    ("a string that doubles", '%define s "aaaaaaaaaaaaaaaa"\n' + "%strcat s s,s\n" * 60 + "db s\n", "expand without end"),
    ("a chain of definitions", "".join(f"%define a{i} a{i + 1}\n" for i in range(5000)) + "db a0\n", "expand without end"),
    ("rep 1e18", "%rep 1000000000000000000\nnop\n%endrep\n", "%rep 1,000,000,000,000,000,000"),
    ("repetitions in repetitions", "%rep 1000000\n%rep 1000000\n%endrep\n%endrep\n", "more than 1,200,000 lines"),
    ("a file that includes itself", '%include "t.asm"\n', "included more than 200 files deep"),
    ("open conditions", "%if 1\n" * 20_000, "more than 10,000 %if"),
    ("open contexts", "%push\n" * 20_000, "%push was used 10,000 times"),
    ("parentheses", "%assign x " + "(" * 50_000 + "1" + ")" * 50_000 + "\n", "expression too long"),
    ("indirections", "db " + "%[" * 3000 + "1" + "]" * 3000 + "\n", "%[…] is nested"),
    ("functions", "db " + "%eval(" * 3000 + "1" + ")" * 3000 + "\n", "expand without end"),
    ("a paste that changes nothing", "%define a , a\ndb a %+ %endmacro\n", "expand without end"),
    ("alias loops", "%defalias a b\n%defalias b a\n%define a 1\n", "macro alias loop"),
    ("macros never closed", "%macro a 0\n" * 3000, "has no `%endmacro'"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "message"), [r[1:] for r in RUNAWAYS], ids=[r[0] for r in RUNAWAYS])
def test_what_never_ends_is_stopped_and_named(program: str, message: str) -> None:
    began = time.process_time()
    _, said, _ = run(program)
    assert any(message in d.message for d in said), [d.message for d in said]
    assert all(len(d.trail) <= 20 for d in said)
    assert time.process_time() - began < 8


BIG = [
    "db " + "1," * 200_000,
    "%macro m 1-*\ndb %0\n%endmacro\nm " + "1," * 20_000 + "1",
    "%" * 50_000,
    '"' * 49_999,
    "%{" * 20_000,
    "db " + "{" * 50_000,
    "%define f(x) x\ndb " + "f(" * 300 + "1" + ")" * 300,
]


@pytest.mark.parametrize("program", BIG, ids=range(len(BIG)))
def test_long_lines_take_bounded_time(program: str) -> None:
    began = time.process_time()
    run(program + "\n")
    assert time.process_time() - began < 5


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes_give_lines_or_diagnostics(data: bytes) -> None:
    _, said, _ = run(data.decode("latin-1"))
    for diagnostic in said:
        assert diagnostic.render()
        assert diagnostic.render_nasm()
        assert diagnostic.as_json()


PIECES = [
    "%macro",
    "%endmacro",
    "%rep",
    "%endrep",
    "%if",
    "%elif",
    "%else",
    "%endif",
    "%ifdef",
    "%define",
    "%xdefine",
    "%assign",
    "%undef",
    "%push",
    "%pop",
    "%$x",
    "%%y",
    "%1",
    "%0",
    "%{1:2}",
    "%[",
    "]",
    "%+",
    "%,",
    "%?",
    "%??",
    "%!HOME",
    "%strcat",
    "%substr",
    "%strlen",
    "%deftok",
    "%defstr",
    "%rotate",
    "%exitrep",
    "%exitmacro",
    "%include",
    "%use",
    "fp",
    "%line",
    "%error",
    "%eval(",
    "%sel(",
    "%cond(",
    "%num(",
    "%tok(",
    "%str(",
    ")",
    "(",
    ",",
    "{",
    "}",
    "m",
    "m2",
    "x",
    "y",
    "1",
    "2",
    "-1",
    "0",
    "'a'",
    '"b"',
    "`",
    "1-*",
    "0-1",
    "3+",
    ".nolist",
    ":=",
    "$",
    "$$",
    "+",
    "-",
    "*",
    "/",
    ";",
    "\\",
    "struc",
    "endstruc",
    "istruc",
    "at",
    "iend",
    "align",
    "section",
    ".text",
    "a:",
    "0x",
    "1e5",
    "1.5",
    "é",
    "\x85",
]


def mutated(seed: int, change: Callable[[random.Random], str]) -> str:
    return change(random.Random(seed))


def piecewise(source: random.Random) -> str:
    words = [
        source.choice(PIECES) + ("\n" if source.random() < 0.25 else " ")
        for _ in range(source.randrange(1, 70))
    ]
    return "".join(words)


@pytest.mark.parametrize("block", range(8))
def test_mutated_programs_give_lines_or_diagnostics(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        _, said, _ = run(mutated(seed, piecewise))
        for diagnostic in said:
            assert diagnostic.message
            assert diagnostic.render()


@pytest.mark.slow
@pytest.mark.long
def test_many_mutated_programs() -> None:
    began = time.monotonic()
    seed = 10_000
    while time.monotonic() - began < 10:
        run(mutated(seed, piecewise))
        seed += 1


@given(st.text(st.characters(max_codepoint=255), max_size=30))
def test_quoting_is_undone_by_unquoting(text: str) -> None:
    assert unquote(quote(text)) == text


@given(st.text(st.characters(max_codepoint=255, exclude_characters="%;'\"`\n"), max_size=60))
def test_tokens_hold_the_whole_line(text: str) -> None:
    blanks = " \t\n\v\f\r"
    joined = text_of(tokenize(text))
    assert joined.translate(dict.fromkeys(map(ord, blanks))) == text.translate(
        dict.fromkeys(map(ord, blanks))
    )


def test_ordinary_lines_are_fast() -> None:
    program = "section .text\n" + "".join(f"l{i}: add rax, [rbx+{i}] ; note\n" for i in range(20_000))
    began = time.process_time()
    lines, _, _ = run(program)
    assert len(lines) == 20_001
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("most", "fits"), [(None, True), (1000, True), (50, False)])
def test_how_many_lines_may_be_made(most: int | None, fits: bool) -> None:
    """Lines that are only read don't count."""
    text = "nop\n" * 200 + "%rep 100\n nop\n%endrep\n"
    assembly = assemble(text, format="bin", most_lines=most)
    said = [each.render() for each in assembly.diagnostics]
    assert (assembly.object is not None) == fits, said
    assert fits or "macros and repetitions made more than 50 lines of this program" in said[0]
