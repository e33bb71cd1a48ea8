"""nasm's preprocessor: source text in, lines for the assembler out (nasm manual chapters 4 to 6).

* ``tokens``: cutting lines into tokens and joining them; ``macros``: macros as values
* ``define`` and ``single``: single-line macros, defined and expanded; ``multi``: multi-line macros and their parameters
* ``directives`` finds what a ``%`` word does; ``definitions``, ``blocks``, ``conditions``, ``functions`` do it
* ``standard``: what every program starts with, and the %use packages
* ``engine``: one run: files, macro bodies and repetitions as a stack of places lines come from; ``state``: what it keeps

nasm preprocesses anew on every pass, since ``%if`` and ``%assign`` may look at labels and at `$`; so ``Preprocessor.lines`` starts a
run each time it is called, and yields lines as the pass asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from toolkit.asm.diagnostics import Diagnostic, Diagnostics, Span
from toolkit.asm.preprocess.engine import Engine
from toolkit.asm.preprocess.lister import Lister
from toolkit.asm.preprocess.standard import packages, standard_tables, time_macros
from toolkit.asm.preprocess.state import (
    MAX_LINES,
    Evaluate,
    EvaluationError,
    FatalError,
    InputFile,
    ListedLine,
    SourceLine,
)
from toolkit.asm.source import SourceError, SourceFile, SourceTree

__all__ = ["Evaluate", "EvaluationError", "ListedLine", "Preprocessor", "SourceLine"]


class Preprocessor:
    """Preprocesses one program, once for each pass.

    ``defines``: (name, value) pairs as of ``-D``; ``undefines``: names as of ``-U``; ``before``: lines put before the source;
    ``environment``: what ``%!NAME`` sees (never the host's by itself); ``format``: elf64, elf32, elfx32 or bin; ``timestamp``:
    seconds since 1970 for __DATE__ and kin; ``listing``: keep ``listed``. ``bits`` is what __BITS__ gives: set it whenever a BITS directive is met.
    ``most_lines``: how many lines macros and repetitions may make in a pass.
    Diagnostics go to ``report``; a fatal one ends the lines early.
    """

    def __init__(
        self,
        tree: SourceTree,
        main: str,
        *,
        defines: Sequence[tuple[str, str]] = (),
        undefines: Sequence[str] = (),
        pre_includes: Sequence[str] = (),
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        format: str = "elf64",
        debug_format: str = "",
        timestamp: int | None = None,
        listing: bool = False,
        report: Callable[[Diagnostic], None] | None = None,
        most_lines: int | None = None,
    ) -> None:
        self.tree = tree
        self.main = main
        self.diagnostics = Diagnostics()
        self._report = report or self.diagnostics.add
        self._environment = dict(environment or {})
        self._single, self._multi = standard_tables(format, debug_format)
        self._single = self._single | time_macros(timestamp, self._environment)
        self._commands = [
            *(f'%include "{name}"' for name in pre_includes),
            *(f"%define {name} {value}" for name, value in defines),
            *(f"%undef {name}" for name in undefines),
            *before,
        ]
        self._most_lines = MAX_LINES if most_lines is None else most_lines
        self._default_bits = {"elf64": 64, "elfx32": 64, "elf32": 32}.get(format, 16)
        self._listing = listing
        self._engine: Engine | None = None

    @property
    def listed(self) -> Sequence[ListedLine]:
        """Every line the last run looked at, files' and macro bodies', with ``listing``."""
        lister = self._engine.lister if self._engine is not None else None
        return lister.lines if lister is not None else ()

    @property
    def stable(self) -> bool:
        """Whether nothing in the last run depended on labels, `$`, the pass: every pass would give the same lines."""
        return self._engine is not None and self._engine.stable

    @property
    def reads_pass(self) -> bool:
        """Whether the last run asked for ``__?PASS?__``, which is another in the final pass."""
        return self._engine is not None and self._engine.reads_pass

    @property
    def bits(self) -> int:
        return self._engine.bits if self._engine is not None else self._default_bits

    @bits.setter
    def bits(self, value: int) -> None:
        if self._engine is not None:
            self._engine.bits = value

    @property
    def macro_names(self) -> tuple[str, ...]:
        """The names of all macros at the end of the last run, for suggestions."""
        return tuple(self._engine.known_names()) if self._engine is not None else ()

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Files named by %depend and incbin in the last run."""
        return tuple(self._engine.dependencies) if self._engine is not None else ()

    def lines(self, evaluate: Evaluate, *, pass_kind: int = 1) -> Iterator[SourceLine]:
        """Run the preprocessor once. ``pass_kind`` is __PASS__: 1 preparing, 2 the final pass, 3 preprocessing only."""
        engine = Engine(
            self.tree,
            evaluate,
            self._report,
            self._environment,
            self._single,
            self._multi,
            packages(),
            self._most_lines,
        )
        engine.bits = self._default_bits
        engine.pass_kind = pass_kind
        engine.lister = Lister() if self._listing else None
        self._engine = engine
        try:
            source = self.tree.read(self.main)
        except SourceError as error:
            nasm = f"unable to open input file `{self.main}' No such file or directory"
            self._report(Diagnostic("fatal", error.message, Span(self.main, 1), "", error.help, nasm))
            return
        engine.open_file(source, source.name)
        if self._commands:
            commands = SourceFile("", tuple(enumerate(self._commands, 1)), tuple(self._commands))
            engine.files.append(InputFile(commands, source.name))
        try:
            yield from engine.lines()
        except FatalError:
            return
