"""What is said about a program: how it is shown, and how much of it is kept."""

from __future__ import annotations

import pickle

import pytest

from toolkit.asm.diagnostics import BuildError, Diagnostic, Diagnostics, MacroFrame, Span


def test_a_diagnostic_points_at_its_place() -> None:
    line = "\tmov rax, ebx ; copy"
    diagnostic = Diagnostic(
        "error", "sizes differ", Span("a.asm", 3, 11, 3), line, "write: mov eax, ebx\nor widen", "invalid combination",
        (MacroFrame("copy", "m.inc", 7), MacroFrame("all", "m.inc", 9)),
    )  # fmt: skip
    assert diagnostic.render().split("\n") == [
        "a.asm:3:11: error: sizes differ",
        " 3 |         mov rax, ebx ; copy",
        "   |                  ^^^",
        "  help: write: mov eax, ebx",
        "        or widen",
        "  in macro `copy', line 7 of m.inc",
        "  in macro `all', line 9 of m.inc",
    ]
    assert diagnostic.render_nasm().split("\n") == [
        "a.asm:3: error: invalid combination",
        "m.inc:9: ... from macro `all' defined here",
        "m.inc:7: ... from macro `copy' defined here",
    ]
    assert "\x1b[" in diagnostic.render(color=True)
    assert diagnostic.as_json()["location"] == {"file": "a.asm", "line": 3, "column": 11}
    assert pickle.loads(pickle.dumps(BuildError([diagnostic]))).diagnostics == (diagnostic,)


@pytest.mark.parametrize("column", [1, 5, 500, 100_000])
def test_long_and_strange_lines_are_shown_in_bounded_space(column: int) -> None:
    line = "db 'é\x01\x1b[31m' ".encode().decode("latin-1") + "1," * 20_000
    text = Diagnostic("error", "x", Span("a.asm", 1, column, 4), line).render()
    assert "é" in text or column > 100
    assert "\x1b" not in text
    assert len(text) < 800


def test_text_that_is_not_utf8_can_be_shown() -> None:
    assert "caf" in Diagnostic("error", "x", Span("a.asm", 1, 4, 1), "db 'caf\xe9'").render()


def test_equal_diagnostics_are_kept_once_and_errors_displace_warnings() -> None:
    collected = Diagnostics(limit=3)
    for number in (1, 1, 2, 3, 4):
        collected.add(Diagnostic("warning", "w", Span("a", number)))
    collected.add(Diagnostic("error", "e", Span("a", 9)))
    assert [(d.severity, d.span.line) for d in collected] == [("warning", 1), ("warning", 2), ("error", 9)]
    assert collected.has_errors
    assert collected.finished()[-1].message == "2 more messages are not shown"
