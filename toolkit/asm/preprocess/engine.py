"""One run of the preprocessor over a program: where lines come from, and what becomes of each.

A line comes from the innermost macro body being expanded, else from the innermost file. Parameters in it are replaced, a
directive is carried out, anything else has its single-line macros expanded and is then either the call of a
multi-line macro or a line for the assembler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from toolkit.asm.diagnostics import Diagnostic, MacroFrame, Span
from toolkit.asm.preprocess import multi
from toolkit.asm.preprocess.constants import short_constants, simple_value
from toolkit.asm.preprocess.lister import Lister
from toolkit.asm.preprocess.macros import (
    Context,
    Invocation,
    MacroLine,
    MultiLineMacro,
    MultiLineTable,
    SingleLineMacro,
    SingleLineTable,
)
from toolkit.asm.preprocess.single import Expander
from toolkit.asm.preprocess.state import (
    MAX_INDIRECTIONS,
    MAX_LINES,
    MAX_TRAIL,
    MAX_WORK,
    Definition,
    Evaluate,
    EvaluationError,
    FatalError,
    InputFile,
    Reporter,
    SourceLine,
    StackFrame,
)
from toolkit.asm.preprocess.tokens import (
    BLANKS,
    DIRECTIVE,
    ENVIRONMENT,
    IDENTIFIER,
    INDIRECT,
    LOCAL_LABEL,
    LOCAL_MACRO,
    Token,
    Tokens,
    plain_line,
    skip_white,
    text_of,
    tokenize_cached,
    unquote,
)
from toolkit.asm.source import SourceFile, SourceTree

_LINE = ((DIRECTIVE, "%line"),)  # acts when it is read, in a macro's definition too


class Engine:
    """The state of one run. ``stable`` turns False once something depended on labels, `$` or the pass."""

    def __init__(
        self,
        tree: SourceTree,
        evaluate: Evaluate,
        report: Reporter,
        environment: Mapping[str, str],
        single: SingleLineTable,
        multiple: MultiLineTable,
        packages: Mapping[str, Sequence[str]],
        most_lines: int = MAX_LINES,
    ) -> None:
        self.tree = tree
        self._evaluate = evaluate
        self._report = report
        self._most_lines = most_lines
        self.environment = environment
        self.single = dict(single)
        self.multi = dict(multiple)
        self.packages = packages
        self.used_packages: set[str] = set()
        self.running: dict[MultiLineMacro, int] = {}
        self.files: list[InputFile] = []
        self.contexts: list[Context] = []
        self.included: set[str] = set()
        self.dependencies: list[str] = []
        self.defining: list[Definition] = []
        self.stack = StackFrame()
        self.bits = 16
        self.pass_kind = 1
        self.unique = 0
        self.file, self.line = "", 0
        self.ignore_aliases = False
        self.sane_empty_expansion = False
        self.stable = True
        self.reads_pass = False
        self.quiet = False  # within the standard macros
        self._lines = self._work = self._calls = self._levels = 0
        self._indirections = 0
        self.lister: Lister | None = None  # where a listing is wanted
        self.held: list[tuple[str, str, str, str, str]] | None = (
            None  # said while a line is still being expanded
        )
        self.expander = Expander(self)

    # ---- reporting

    def error(self, nasm_message: str, message: str = "", help: str = "", *, category: str = "") -> None:
        """Report an error here; ``message`` and ``help`` for the student default to the table in hints."""
        self.say("error", nasm_message, message, help, category)

    def warn(self, category: str, nasm_message: str) -> None:
        """Report a warning of one of nasm's classes (``"error"`` as class makes it an error)."""
        if category == "error":
            self.say("error", nasm_message, "", "", "")
        else:
            self.say("warning", nasm_message, "", "", category)

    def fatal(self, nasm_message: str, message: str = "", help: str = "") -> FatalError:
        """Report a fatal error and return the exception to raise."""
        self.say("fatal", nasm_message, message, help, "")
        return FatalError(nasm_message)

    def say(self, severity: str, nasm_message: str, message: str, help: str, category: str) -> None:
        """Report something here, or hold it back while the line is being expanded."""
        if self.held is not None and severity != "fatal":
            self.held.append((severity, nasm_message, message, help, category))
            return
        file, line, trail = self.place()
        source_line = self.tree.source_line(file, line)
        if not message:
            from toolkit.asm.hints import explain_preprocessor

            message, help = explain_preprocessor(nasm_message, source_line, self.known_names())
        column = len(source_line) - len(source_line.lstrip()) + 1
        length = len(source_line.strip())
        span = Span(file, line, column, length)
        self._report(Diagnostic(severity, message, span, source_line, help, nasm_message, trail, category))

    def known_names(self) -> Iterable[str]:
        """Names of macros, for suggestions."""
        return [m.name for table in (self.single, self.multi) for entries in table.values() for m in entries]

    def place(self) -> tuple[str, int, tuple[MacroFrame, ...]]:
        """(file and line where messages about the present line belong, its macro trail innermost first)."""
        invocation = self.files[-1].invocation if self.files else None
        call = invocation.macro_call if invocation is not None else None
        while call is not None and not call.visible:
            call = call.enclosing.macro_call if call.enclosing is not None else None
        if call is None:
            return self.file, self.line, ()
        file, line, outer = call.reported_at
        return file, line, (MacroFrame(call.macro.name, self.file, self.line), *outer[: MAX_TRAIL - 1])

    @contextmanager
    def indirection(self) -> Iterator[None]:
        """Within %[…]; reports one nested too deeply."""
        if self._indirections >= MAX_INDIRECTIONS:
            raise self.fatal(
                "interminable macro recursion",
                f"%[…] is nested more than {MAX_INDIRECTIONS} deep",
                "define the inner parts as macros of their own first",
            )
        self._indirections += 1
        try:
            yield
        finally:
            self._indirections -= 1

    def spend(self, amount: int) -> None:
        """Count work against the limit of one pass."""
        self._work += amount
        if self._work > MAX_WORK:
            raise self.fatal(
                "interminable macro recursion",
                "the macros of this program expand to more than can be processed",
                "look for a macro or a %rep that multiplies its own text",
            )

    # ---- helpers for the directives

    def context_of(self, name: str) -> tuple[Context | None, str]:
        """The context a ``%$name`` refers to and the bare name; reports a context stack that is not deep enough."""
        bare = name.lstrip("%").lstrip("$")
        depth = len(name) - len(bare) - 2
        if not self.contexts:
            self.error(f"`{name}': context stack is empty")
            return None, name
        if depth >= len(self.contexts):
            plural = "" if len(self.contexts) == 1 else "s"
            rest = name[2 + len(self.contexts) :]  # nasm names what is left when the stack ends
            self.error(
                f"`{rest}': context stack is only {len(self.contexts)} level{plural} deep",
                f"`{name}' asks for a context {depth} levels out, but there {'is' if not plural else 'are'} only {len(self.contexts)}",
                "each further $ means one %push further out",
            )
            return None, name
        return self.contexts[-1 - depth], bare

    def enter_single(
        self, table: SingleLineTable, name: str, macro: SingleLineMacro, old: SingleLineMacro | None
    ) -> None:
        """File a single-line macro, in the place of ``old`` or before all others of its name."""
        key = name.lower()
        entries = table.get(key, ())
        if old is not None:
            table[key] = tuple(macro if entry is old else entry for entry in entries)
        else:
            table[key] = (macro, *entries)

    def text(self, tokens: Iterable[Token], *, for_assembler: bool = False) -> str:
        """Tokens as text with %!NAME replaced; ``for_assembler`` also turns ``%$label`` into its unique name."""
        parts: list[str] = []
        for token in tokens:
            kind, text = token
            if kind == ENVIRONMENT:
                text = self.environment_value(token) or ""
            elif kind in (LOCAL_MACRO, LOCAL_LABEL) and for_assembler:
                context, bare = self.context_of(text) if text.startswith("%$") else (None, text)
                text = f"..@{context.number}.{bare}" if context is not None else text
            elif kind == INDIRECT:
                text = f"%[{text}]"
            parts.append(text)
        return "".join(parts)

    def environment_value(self, token: Token, *, warn: bool = True) -> str | None:
        """The value of the environment variable a token names; None, with a warning, if there is none."""
        name = token[1][2:] if token[0] == ENVIRONMENT else token[1]
        if name[:1] in ("'", '"', "`"):
            name = unquote(name)
        value = self.environment.get(name)
        if value is None and warn:
            self.warn("pp-environment", f"nonexistent environment variable `{name}'")
        return value

    def evaluate_tokens(self, tokens: Sequence[Token]) -> tuple[int | None, str] | None:
        """Evaluate expanded tokens, up to what looks like a directive: (its constant, None when it is not constant; text behind it).

        None after reporting why it can't be evaluated.
        """
        if self.stable and any(
            kind in (IDENTIFIER, LOCAL_MACRO) or text in ("$", "$$") for kind, text in tokens
        ):
            self.stable = False
        end = next((place for place, (kind, _) in enumerate(tokens) if kind == DIRECTIVE), len(tokens))
        text, beyond = self.text(short_constants(tokens[:end], self.warn)), text_of(tokens[end:])
        simple = simple_value(text)
        if simple is not None:
            return simple, beyond
        try:
            value, rest = self._evaluate(text)
        except EvaluationError as error:
            self.error(error.message, error.student_message, error.help)
            return None
        rest += beyond
        if isinstance(value, int):
            return value, rest
        return (value.constant if value.is_constant and not value.unknown else None), rest

    def constant(self, tokens: Sequence[Token], directive: str) -> int | None:
        """The constant that already expanded ``tokens`` stand for; reports rests and values that are not constant."""
        result = self.evaluate_tokens(tokens)
        if result is None:
            return None
        value, rest = result
        if rest:
            self.warn("pp-trailing", "trailing garbage after expression ignored")
        if value is None:
            self.error(f"non-constant value given to `{directive}'")
        return value

    # ---- input

    def open_file(self, source: SourceFile, name: str) -> None:
        """Read ``source`` next."""
        self.files.append(InputFile(source, name))
        self.file, self.line = name, 0

    def check_call(self, name: str) -> None:
        """Count one more macro call; raises FatalError, reported, beyond the limits."""
        if self._levels < multi.MAX_CALL_LEVELS and self._calls < multi.MAX_CALLS:
            return
        raise self.fatal(
            "interminable multiline macro recursion",
            f"the macro `{name}' calls itself, or macros that call it, without end",
            "give the macro a condition (%if … %endif) under which it does not call itself again",
        )

    def enter_macro(
        self, macro: MultiLineMacro, arguments: list[Tokens], called_as: str, label: Tokens
    ) -> None:
        """Expand ``macro`` next; ``label`` is a line to put before its body."""
        self._calls += 1
        self._levels += 1
        self.running[macro] = self.running.get(macro, 0) + 1
        lines = (MacroLine(label, self.file, self.line), *macro.body) if label else macro.body
        self._push(macro, lines, arguments, called_as, self.unique)
        self.unique += 1

    def enter_repetition(self, body: MultiLineMacro, times: int) -> None:
        """Expand a %rep body ``times`` times."""
        self._push(body, body.body, [()], "", -1)
        source = self.files[-1]
        assert source.invocation is not None
        source.invocation.remaining = times - 1
        if times <= 0:
            source.invocation.ended = True

    def _push(
        self,
        macro: MultiLineMacro,
        lines: tuple[MacroLine, ...],
        arguments: list[Tokens],
        called_as: str,
        unique: int,
    ) -> None:
        source = self.files[-1]
        outer = source.invocation
        hidden = macro.no_list or not macro.file or (outer is not None and not outer.visible)
        new = Invocation(
            macro, lines, arguments, called_as, unique, outer, self.file, self.line, self.place(), not hidden
        )
        new.macro_call = new if macro.name else outer.macro_call if outer else None
        source.invocation = new

    def _leave(self, source: InputFile, invocation: Invocation) -> None:
        """The body has been read to its end: repeat it, or return to what called it."""
        if invocation.remaining > 0 and not invocation.ended:
            self._count_line()
            invocation.remaining -= 1
            invocation.position = 0
            return
        if self.defining and not self.defining[-1].macro.name and invocation.macro.name:
            source.invocation = invocation.enclosing
            self.file, self.line = invocation.call_file, invocation.call_line
            raise self.fatal(f"`%rep' without `%endrep' within expansion of macro `{invocation.macro.name}'")
        if invocation.macro.name:
            self.running[invocation.macro] = 0
            self._levels -= 1
            if not self._levels:
                self._calls = 0
        source.invocation = invocation.enclosing
        self.file, self.line = invocation.call_file, invocation.call_line

    def lines(self) -> Iterator[SourceLine]:
        """Every line of the program for the assembler, in order."""
        while self.files:
            source = self.files[-1]
            invocation = source.invocation
            if invocation is not None:
                if invocation.position >= len(invocation.lines):
                    self._leave(source, invocation)
                    continue
                body_line = invocation.lines[invocation.position]
                invocation.position += 1
                if invocation.visible:
                    self.file, self.line = body_line.file, body_line.line
                tokens = body_line.tokens
                ended = invocation.ended
                if self.lister is not None and invocation.visible and not invocation.left:
                    kept = bool(self.defining)
                    self.lister.body_line(self.files, self.file, self.line, self.text(tokens), kept)
            else:
                if source.position >= len(source.source.lines):
                    self._close(source)
                    continue
                physical, text = source.source.lines[source.position]
                source.position += 1
                self.file, self.line = source.name, source.number(physical)
                if self.lister is not None and source.source.name:
                    self.lister.file_line(self.files, self.line, text, bool(self.defining))
                suppressed = bool(source.conditions) and not source.conditions[-1].emitting
                if not self.defining:
                    plain = plain_line(text)
                    if plain is not None and (suppressed or self._names_nothing(plain[1])):
                        if not suppressed and plain[0]:
                            if plain[2]:
                                self._remark(text)
                            yield SourceLine(
                                plain[0], self.file, self.line, self.file, self.line, (), text, self._listed
                            )
                        continue
                tokens = tokenize_cached(text, self.warn)
                start = skip_white(tokens)
                marked = text[:1] == "#" or (self.defining and tokens[start : start + 1] == _LINE)
                if marked and not suppressed:
                    from toolkit.asm.preprocess.directives import mark_line

                    mark_line(self, tokens[start + 1 :], tokens[start][1])
                    continue
                ended = False
            self._count_line()
            output = self._process(tokens, ended)
            if output is not None:
                text = self.text(output, for_assembler=True)
                if text.strip(BLANKS):
                    yield self._source_line(text)

    @property
    def _listed(self) -> int:
        """The number of the listing's line that is being read."""
        return len(self.lister.lines) - 1 if self.lister is not None else 0

    def standard_line(self, tokens: Tokens) -> None:
        """Carry out one line of the standard macros, which has no output."""
        self._process(tokens, False)

    def _remark(self, text: str) -> None:
        """Note what nasm accepts in silence on a line though it is hardly meant."""
        from toolkit.asm.hints import remarks

        for message, help in remarks(text):
            self.say("note", "", message, help, "")

    def _count_line(self) -> None:
        self._lines += 1
        if self._lines > self._most_lines:
            raise self.fatal(
                "overall line count exceeds the maximum",
                f"macros and repetitions made more than {self._most_lines:,} lines of this program",
                "use `times' for repeated data, or a smaller %rep",
            )

    def _names_nothing(self, words: frozenset[str]) -> bool:
        return self.single.keys().isdisjoint(words) and self.multi.keys().isdisjoint(words)

    def _source_line(self, text: str) -> SourceLine:
        file, line, trail = self.place()
        original = self.tree.source_line(file, line)
        return SourceLine(text, self.file, self.line, file, line, trail, original, self._listed)

    def _close(self, source: InputFile) -> None:
        if source.conditions:
            condition = source.conditions[-1]
            self.line += 1
            raise self.fatal(
                "expected `%endif' before end of file",
                f"the `{condition.name}' on line {condition.line} is never closed",
                "every %if needs an %endif; write it where the conditional part ends",
            )
        self.files.pop()
        if self.files:
            self.file, self.line = (
                self.files[-1].name,
                self.files[-1].number(
                    self.files[-1].source.lines[self.files[-1].position - 1][0]
                    if self.files[-1].position
                    else 0
                ),
            )
        elif self.defining:
            self._unfinished(source)

    def _unfinished(self, source: InputFile) -> None:
        definition = self.defining[-1].macro
        self.defining.clear()
        self.files.append(source)
        self.line += 1
        if definition.name:
            self.error(
                f"end of file while still defining macro `{definition.name}'",
                f"the macro `{definition.name}' that begins on line {definition.line} has no `%endmacro'",
                "write %endmacro on a line of its own after the macro's last line",
            )
        else:
            self.error(
                "end of file while still in %rep",
                f"the %rep on line {definition.line} has no `%endrep'",
                "write %endrep on a line of its own after the last repeated line",
            )
        self.files.clear()

    def _process(self, tokens: Tokens, ended: bool) -> Sequence[Token] | None:
        """What the assembler gets of one line; None when that is nothing."""
        source = self.files[-1]
        invocation = source.invocation
        suppressed = ended or (bool(source.conditions) and not source.conditions[-1].emitting)
        if not self.defining and not suppressed:
            call = invocation.macro_call if invocation is not None else None
            tokens = multi.expand_parameters(self, tokens, call)
        start = skip_white(tokens)
        if start < len(tokens) and tokens[start][0] == DIRECTIVE:
            from toolkit.asm.preprocess.directives import perform

            handled, output = perform(self, tokens, start, suppressed)
            if handled:
                return output
        if self.defining:
            self.defining[-1].body.append(MacroLine(tokens, self.file, self.line))
            return None
        if suppressed:
            return None
        line = self.expander.line(tokens)
        if self.multi and multi.expand_call(self, line):
            return None
        return line
