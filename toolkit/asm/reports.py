"""From nasm's wording and a place in a line to a ``Diagnostic`` for a student."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from toolkit.asm.diagnostics import Diagnostic, Diagnostics, Span
from toolkit.asm.preprocess import SourceLine
from toolkit.asm.source import SourceError

if TYPE_CHECKING:
    from toolkit.asm.layout import Layout
    from toolkit.asm.layout_symbols import Label
    from toolkit.asm.preprocess import Preprocessor

STRICT = frozenset(("label-orphan", "number-overflow", "ptr", "db-empty"))  # errors when asked to be strict

MAX_COMPARED_NAMES = 40_000  # names looked at for "did you mean", over all messages


class Reporter:
    """Collects what is said in one pass. ``strict`` makes errors of the warnings that are nearly always mistakes."""

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.diagnostics = Diagnostics()
        self.lines: list[SourceLine] = []  # that the preprocessor gave in this pass
        self._from_preprocessor: list[
            tuple[int, Diagnostic]
        ] = []  # with the number of lines it had given before
        self.legal_forms: dict[
            tuple[str, int], tuple[str, ...]
        ] = {}  # by file and line of the refused instruction

    def begin_pass(self) -> None:
        """Forget what was said in the last pass."""
        self.diagnostics.clear()

    def preprocessed(self, lines: Iterator[SourceLine]) -> Iterator[SourceLine]:
        """The lines of a pass as the preprocessor makes them, kept for ``again``."""
        self.lines, self._from_preprocessor = [], []
        for line in lines:
            self.lines.append(line)
            yield line

    def again(self) -> Iterator[SourceLine]:
        """The same lines for another pass; what was said when they were made is said again, each in its place."""
        done = 0
        for number, diagnostic in self._from_preprocessor:
            if number > done:
                yield from self.lines[done:number]
                done = number
            self.diagnostics.add(diagnostic)
        yield from self.lines[done:]

    def from_preprocessor(self, diagnostic: Diagnostic) -> None:
        """Take a complaint of the preprocessor's."""
        self._from_preprocessor.append((len(self.lines), diagnostic))
        self.diagnostics.add(diagnostic)

    def report(
        self,
        severity: str,
        nasm_message: str,
        line: SourceLine,
        start: int = 0,
        end: int = 0,
        category: str = "",
        error: object = None,
        related: tuple[tuple[str, Span], ...] = (),
    ) -> None:
        """Say something of ``line``; ``start`` and ``end`` are columns of its text from 0."""
        if self.strict and severity == "warning" and category in STRICT:
            severity = "error"
        if self.diagnostics.only_counts(line.report_file, line.report_line):
            return
        span = line.span(start + 1, max(end - start, 0))
        of_file = error if isinstance(error, SourceError) else None
        message, help = (of_file.message, of_file.help) if of_file else (nasm_message, "")
        self.diagnostics.add(
            Diagnostic(
                severity, message, span, line.original or line.text, help, nasm_message, line.trail, category,
                related, also=getattr(error, "also", ()), expanded="" if line.text.strip() in line.original else line.text,
            )
        )  # fmt: skip
        legal = getattr(error, "legal", ())
        if legal:
            self.legal_forms[span.file, span.line] = tuple(legal)

    def report_at(self, severity: str, nasm_message: str, span: Span, source_line: str = "") -> None:
        """Say something of a place that has no line of its own in this pass."""
        self.diagnostics.add(Diagnostic(severity, nasm_message, span, source_line, "", nasm_message))


def initial_warnings(switches: Sequence[str]) -> dict[str, str]:
    """The states of warning classes that ``-W`` switches ask for."""
    from toolkit.asm.directives import set_warning_state

    states: dict[str, str] = {}
    for word in switches:
        set_warning_state(states, {}, word)
    return states


def finish_diagnostics(
    reporter: Reporter, layout: Layout, preprocessor: Preprocessor
) -> tuple[Diagnostic, ...]:
    """Everything said in the last pass, in words for a student who knows the program's labels and macros."""
    for label in layout.labels.table.values():
        if label.was_external:
            reporter.diagnostics.add(_defined_though_external(label, preprocessor))
    found = reporter.diagnostics.finished()
    if not found:
        return ()
    from toolkit.asm.hints import Context, explain_diagnostic

    symbols = list(layout.labels.table)[: MAX_COMPARED_NAMES // len(found)]
    macros = preprocessor.macro_names[: MAX_COMPARED_NAMES // len(found)]
    explained: list[Diagnostic] = []
    for diagnostic in found:
        forms = reporter.legal_forms.get((diagnostic.span.file, diagnostic.span.line), ())
        explained.append(explain_diagnostic(diagnostic, Context(symbols, macros, layout.format.bits, forms)))
    return tuple(explained)


def without_repeats(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Those that tell a reader something new: nasm often warns of what it then refuses, or warns twice of one number."""
    refused = {
        (d.span.file, d.span.line, words) for d in diagnostics if d.is_error for words in (d.message, d.help)
    }
    kept: list[Diagnostic] = []
    warned: set[tuple[Span, str]] = set()
    for d in diagnostics:
        if d.severity == "warning":
            place = d.span.file, d.span.line
            again = (d.span, d.category) in warned and d.category == "number-overflow"
            if again or (*place, d.message) in refused or (d.help and (*place, d.help) in refused):
                continue
            warned.add((d.span, d.category))
        kept.append(d)
    return kept


def _defined_though_external(label: Label, preprocessor: Preprocessor) -> Diagnostic:
    """A note of ours: nasm takes such a label as GLOBAL without a word."""
    return Diagnostic(
        "note",
        f"`{label.name}' is declared extern, but this file defines it; it counts as global",
        Span(label.file, label.line, 1, len(label.name)),
        preprocessor.tree.source_line(label.file, label.line),
        f"if others are to use it write: global {label.name}\nif it should come from another file, rename this one",
    )
