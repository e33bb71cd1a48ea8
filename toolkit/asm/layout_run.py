"""The loop over passes, and what comes out of the last one: sections and symbols ready to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from toolkit.asm import directives_elf
from toolkit.asm.diagnostics import Diagnostics
from toolkit.asm.expr import StatementError
from toolkit.asm.layout import MAX_LINES_LAID_OUT, MAX_STALLED, Layout, Pass, Record, trim_cache
from toolkit.asm.layout_model import RecordedPass
from toolkit.asm.layout_symbols import COMMON, EXTERN, GLOBAL, OUTSIDE, SPECIAL, Label
from toolkit.asm.linetable import LineTable
from toolkit.asm.objfile import Module, Section, Symbol
from toolkit.asm.preprocess import ListedLine, Preprocessor, SourceLine
from toolkit.asm.reports import Reporter

MAX_LINES_IN_VAIN = 200_000  # over all passes of a program with errors, behind its second
RECORDED = 2  # passes before the one that is recorded: most programs need no more


@dataclass(slots=True)
class Outcome:
    """The last pass: the module to write, its lines, and what a listing is made of (when asked for)."""

    module: Module
    layout: Layout
    lines: LineTable
    records: list[Record] = field(default_factory=list)
    origin: int | None = None
    listed: Sequence[ListedLine] = ()
    listing_switches: Sequence[tuple[int, bool]] = ()


def run_passes(
    layout: Layout,
    preprocessor: Preprocessor,
    reporter: Reporter,
    *,
    source_name: str,
    warning_states: dict[str, str],
    keep_records: bool = False,
) -> Outcome:
    """Pass after pass until no label moves. What earlier passes said is forgotten: the last one says it again."""
    loop = _Passes(layout, preprocessor, reporter, warning_states, keep_records)
    while not loop.settled():
        pass
    if preprocessor.reads_pass and not reporter.diagnostics.has_errors:
        loop.once(final=True)
    run = loop.run
    module = finish(layout, run, source_name)
    trim_cache(layout)
    return Outcome(
        module, layout, LineTable.of(run.rows), run.records or [], run.origin,
        preprocessor.listed, run.listing_switches,
    )  # fmt: skip


class _Passes:
    """The passes over one program. ``run`` is the last one; ``stable``: none can have other lines."""

    def __init__(
        self,
        layout: Layout,
        preprocessor: Preprocessor,
        reporter: Reporter,
        warning_states: dict[str, str],
        keep_records: bool,
    ) -> None:
        self.layout = layout
        self.preprocessor = preprocessor
        self.reporter = reporter
        self.warning_states = warning_states
        self.keep_records = keep_records
        self.stable = False
        self.total = self.stalled = 0
        self.fewest = 1 << 62
        self.run: Pass

    def settled(self) -> bool:
        """One more pass; True when there is no need of another, or no hope."""
        layout, labels = self.layout, self.layout.labels
        self.once()
        modes_changed = self.run.keep_modes()
        if labels.pass_number == 1:
            if self.run.premature and self.reporter.diagnostics.has_errors:
                return True  # in the next pass it would be defined, and nobody would complain
            moved = modes_changed or self.run.uncertain or labels.promoted or labels.outside_scope
            return not moved and self.preprocessor.stable
        has_errors = self.reporter.diagnostics.has_errors
        if not labels.changed or (has_errors and self.total > MAX_LINES_IN_VAIN):
            return True
        if self._hopeless() or (layout.passes > 10 and self.total > MAX_LINES_LAID_OUT):
            self._give_up()
            return True
        if isinstance(self.run, RecordedPass) and not modes_changed and not has_errors:
            return self._settle(self.run)
        return False

    def _settle(self, recorded: RecordedPass) -> bool:
        """Passes over what can change, as far as ``recorded`` can be trusted to name it. True: there is no hope."""
        from toolkit.asm.layout_settle import settle

        model = recorded.finish_model()
        if model is None or settle(model, self.layout, self._hopeless):
            return False
        self._give_up()
        return True

    def _hopeless(self) -> bool:
        """Whether too many passes in a row brought the labels no nearer to rest (nasm's stall count)."""
        changed = self.layout.labels.changed
        self.stalled = self.stalled + 1 if changed >= self.fewest else 0
        self.fewest = min(self.fewest, changed)
        return self.stalled > MAX_STALLED

    def _give_up(self) -> None:
        passes = self.layout.passes
        message = f"unable to find valid values for all labels after {passes} passes; stalled for {self.stalled}, giving up."
        source = self.preprocessor.main
        self.run.report("error", message, SourceLine("", source, 0, source, 0, (), ""), 0, 0)

    def once(self, final: bool = False) -> None:
        """Run over the lines. ``final``: ``__?PASS?__`` is 2, and no label may move."""
        layout, preprocessor = self.layout, self.preprocessor
        self.reporter.begin_pass()
        layout.labels.begin_pass()
        for section in (layout.text, *layout.sections.values()):
            section.contents = bytearray()
            section.fixups = []
            section.size = 0
        recorded = self.stable and layout.passes == RECORDED
        kind = RecordedPass if recorded else Pass
        run = self.run = kind(layout, self.reporter.report, self.warning_states)
        run.bits_changed = lambda bits: setattr(preprocessor, "bits", bits)
        run.final = final
        if self.keep_records:
            run.records = []
        if isinstance(run, RecordedPass):
            run.start_model()
        layout.passes += 1
        if self.stable:
            run.run(self.reporter.again())
        else:
            lines = preprocessor.lines(run.evaluate_for_preprocessor, pass_kind=2 if final else 1)
            run.run(self.reporter.preprocessed(lines))
            self.stable = preprocessor.stable
        self.total += len(self.reporter.lines)


def finish(layout: Layout, run: Pass, source_name: str) -> Module:
    """The module of the last pass: the sections in order of use, and a symbol for each label."""
    for section, count in run.place.miscounted.items():
        if layout.format.name != "bin":
            section.size = max(section.size - count, 0)
    text = layout.text
    ordinary = (label for label in layout.labels.order if label.name not in layout.format.specials)
    used = text.length or any(label.base is text for label in ordinary)
    if used and ".text" not in layout.sections:
        layout.sections[".text"] = text
    if layout.format.name == "bin":
        layout.sections = {".text": text, **layout.sections}
    module = Module(layout.format.name, source_name, list(layout.sections.values()), osabi=layout.osabi[0])
    module.abi_version = layout.osabi[1]
    for label in layout.labels.order:
        symbol = _symbol(label, run)
        if symbol is not None:
            module.symbols.append(symbol)
    return module


def _symbol(label: Label, run: Pass) -> Symbol | None:
    kind = label.kind
    special = kind is GLOBAL and label.name[:2] == ".." and label.name[2:3] != "@"
    if kind is SPECIAL or special:
        if label.name not in run.format.specials:  # those of the format are looked over
            _report_at_label(f"unrecognised special symbol `{label.name}'", label, run)
        elif special:
            message = f"symbol `{label.name}' declared both as output format special and global"
            _report_at_label(message, label, run)
        return None
    if kind in OUTSIDE:
        symbol = label.symbol
        assert symbol is not None
        if kind is COMMON:
            symbol.value = _common_alignment(label, run)
        elif kind is EXTERN and not symbol.referenced:
            return None
        elif label.attributes:
            _attributes(symbol, label, run)
        return symbol
    if isinstance(label.base, Symbol):
        return Symbol(label.name, None, 0, "local", defined=False)
    if label.attributes and layout_format_is_flat(run):
        _report_at_label("binary format does not support any special symbol types", label, run)
    section = label.base if isinstance(label.base, Section) else None
    symbol = Symbol(label.name, section, label.offset, GLOBAL if kind is GLOBAL else "local")
    if label.attributes and kind is GLOBAL and section is not None:
        _attributes(symbol, label, run)
    return symbol


def layout_format_is_flat(run: Pass) -> bool:
    """Whether the output has no symbol table."""
    return run.format.name == "bin"


def _common_alignment(label: Label, run: Pass) -> int:
    try:
        return directives_elf.common_alignment(label.attributes)
    except StatementError:
        return 0  # reported where it was declared


def _report_at_label(message: str, label: Label, run: Pass) -> None:
    text = run.layout.tree.source_line(label.file, label.line)
    line = SourceLine(text, label.file, label.line, label.file, label.line, (), text)
    run.report("error", message, line, 0, 0)


def _attributes(symbol: Symbol, label: Label, run: Pass) -> None:
    def size_of(text: str) -> int:
        run.labels.scope = label.name
        run.first = False
        value = run.uncritical(text)
        if not isinstance(value, int):
            raise StatementError("cannot use relocatable expression as symbol size")
        return value

    try:
        directives_elf.apply_symbol_attributes(symbol, label.attributes, size_of)
    except StatementError as error:
        _report_at_label(error.message, label, run)


__all__ = ["EXTERN", "Diagnostics", "Outcome", "run_passes"]
