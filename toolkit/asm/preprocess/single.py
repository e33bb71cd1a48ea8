"""Expanding single-line macros in a line (nasm manual section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.asm.preprocess.macros import Parameter, SingleLineMacro, SingleLineTable, number_tokens
from toolkit.asm.preprocess.paste import JOINS_WORDS, NAME_PARTS, paste
from toolkit.asm.preprocess.tokens import (
    COMMA,
    CONDITIONAL_COMMA,
    DIRECTIVE,
    IDENTIFIER,
    LOCAL_MACRO,
    NAME_AS_CALLED,
    NAME_AS_DEFINED,
    OTHER,
    PARAMETER,
    SINGLE_NAME_AS_CALLED,
    SINGLE_NAME_AS_DEFINED,
    SPACE,
    STRING,
    WHITE,
    Token,
    Tokens,
    is_operator,
    quote,
    skip_white,
)

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine
    from toolkit.asm.preprocess.state import FatalError

MAX_LEVELS = 200  # nasm: 10,000; deeper nesting of %define than this is a mistake
NESTING_WEIGHT = 3  # an argument expanded within an argument takes that much more of Python's stack
MAX_LINE_TOKENS = 300_000  # nasm: 10,000,000
MAX_TEXT = 4 << 20  # characters in one expanded line

_EXPANDABLE = frozenset((IDENTIFIER, DIRECTIVE, LOCAL_MACRO))


class Expander:
    """Expands single-line macros in lines for one ``Engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._macros: SingleLineTable = engine.single
        self._active: set[SingleLineMacro] = set()
        self._levels = 0
        self._budget = MAX_LINE_TOKENS
        self._text = MAX_TEXT
        self._lowest = (
            0  # smallest height the stack of unread tokens had: has a call taken arguments from beyond?
        )

    def line(self, tokens: Sequence[Token]) -> list[Token]:
        """All macro calls of a line expanded; never empty unless ``tokens`` is."""
        self._budget = MAX_LINE_TOKENS
        self._text = MAX_TEXT
        result = self.nested(tokens)
        self._engine.spend((MAX_LINE_TOKENS - self._budget) + (MAX_TEXT - self._text) // 64)
        return result

    def nested(self, tokens: Sequence[Token]) -> list[Token]:
        """``line`` within the same limits, for arguments."""
        line = list(tokens)
        if not line:
            return line
        expanded = True
        engine = self._engine
        outer, engine.held = engine.held, []
        outer_lowest = self._lowest
        self._levels += NESTING_WEIGHT
        if self._levels >= MAX_LEVELS:
            raise self._give_up()
        while True:
            line, changed = self._expand_once(line)
            expanded = expanded or changed
            if not expanded:
                break
            line, pasted = paste(line, JOINS_WORDS, engine.warn, explicit=True)
            if not pasted:
                break
            engine.held.clear()  # what a later round makes void is not said, as in nasm
            self._budget -= len(line)  # a round that pastes what it pasted before may only add to the line
            if self._budget < 0:
                raise self._give_up()
            expanded = False
        held, engine.held = engine.held, outer
        self._lowest = outer_lowest
        self._levels -= NESTING_WEIGHT
        for saying in held:
            engine.say(*saying)
        return line or [SPACE]

    def name(self, tokens: Sequence[Token], start: int) -> list[Token]:
        """``tokens`` from ``start`` on, where a name glued together from several parts was expanded into one."""
        stop = start + 1
        while stop < len(tokens) and tokens[stop][0] in NAME_PARTS:
            stop += 1
        if stop <= start + 1:
            return list(tokens[start:])
        return [*self.line(tokens[start:stop]), *tokens[stop:]]

    def _expand_once(self, line: list[Token]) -> tuple[list[Token], bool]:
        macros = self._macros
        for kind, text in line:
            if kind == LOCAL_MACRO or (kind in _EXPANDABLE and text.lower() in macros):
                break
        else:
            return line, False
        stack = line[::-1]
        done: list[Token] = []
        changed = False
        while stack:
            count = self._expand_top(stack) if stack[-1][0] in _EXPANDABLE else -1
            if count < 0:
                done.append(stack.pop())
                continue
            changed = True
            if count:
                done.extend(stack[: -count - 1 : -1])
                del stack[-count:]
        return done, changed

    def _find(self, token: Token) -> tuple[SingleLineMacro, ...]:
        """The macros a token may name: those of its name that match its letter case, newest first."""
        kind, name = token
        table = self._macros
        if kind == LOCAL_MACRO:
            context, name = self._engine.context_of(name)
            if context is None:
                return ()
            table = context.macros
        entries = table.get(name.lower(), ())
        ignore_aliases = self._engine.ignore_aliases
        return tuple(m for m in entries if m.matches(name) and not (m.alias and ignore_aliases))

    def _expand_top(self, stack: list[Token]) -> int:
        """Expand the call whose name is on top of ``stack`` (the rest of the line, reversed) in place.

        Returns how many tokens on top of the stack are its finished expansion; -1 when it is no macro call.
        """
        self._budget -= 1
        if self._budget < 0 or self._text < 0 or self._levels >= MAX_LEVELS:
            raise self._give_up()
        candidates = self._find(stack[-1])
        if not candidates:
            return -1
        macro, height = candidates[0], len(stack) - 1
        arguments: list[Tokens] = []
        if macro.parameters:
            call = self._call(candidates, stack)
            if call is None:
                return -1
            macro, arguments, height = call
        if macro in self._active:
            return -1
        called = stack[-1]
        del stack[height:]
        outer_lowest, self._lowest = self._lowest, height
        self._begin(macro)
        try:
            self._substitute(macro, called, arguments, stack)
        finally:
            self._end(macro)
        reached, self._lowest = self._lowest, min(outer_lowest, self._lowest)
        # As in nasm: once an inner call took its arguments from behind this one, the line's rest counts as expanded.
        return len(stack) if reached < height else len(stack) - height

    def _give_up(self) -> FatalError:
        return self._engine.fatal(
            "interminable macro recursion",
            "the macros of this line expand without end",
            "a macro that uses itself through another one, or that doubles its text each time, never gets finished",
        )

    def _call(
        self, candidates: tuple[SingleLineMacro, ...], stack: list[Token]
    ) -> tuple[SingleLineMacro, list[Tokens], int] | None:
        """(macro, prepared arguments, height of the stack below the call), or None if it is not called here."""
        opening = len(stack) - 2
        while opening >= 0 and stack[opening][0] == WHITE:
            opening -= 1
        if opening < 0 or not is_operator(stack[opening], "("):
            return None
        found = self._count_arguments(stack, opening)
        if found is None:
            return None
        count, closing = found
        for macro in candidates:
            if macro.takes(count):
                break
        else:
            name = stack[-1][1]
            if name.startswith("%$"):
                name = name.lstrip("%$")
            plural = "" if count == 1 else "s"
            self._engine.warn(
                "pp-macro-params-single",
                f"single-line macro `{name}' exists, but not taking {count} parameter{plural}",
            )
            return None
        if macro in self._active:
            return macro, [], closing
        raw = self._split_arguments(macro, stack[closing + 1 : opening][::-1], count)
        self._begin(macro)
        try:
            return macro, self._prepare(macro, raw), closing
        finally:
            self._end(macro)

    def _begin(self, macro: SingleLineMacro) -> None:
        """Keep a macro from being expanded within itself; the preprocessor functions may be."""
        if macro.function is None:
            self._active.add(macro)
        self._levels += 1

    def _end(self, macro: SingleLineMacro) -> None:
        self._levels -= 1
        self._active.discard(macro)

    def _count_arguments(self, stack: list[Token], opening: int) -> tuple[int, int] | None:
        """(number of arguments, index of the closing parenthesis) of a call."""
        depth = count = 1
        braces = 0
        index = opening
        while depth:
            index -= 1
            if index < 0:
                self._engine.error("macro call expects terminating `)'")
                return None
            self._budget -= 1
            kind, text = stack[index]
            if kind != OTHER:
                continue
            if text == "{":
                braces += 1
            elif text == "}":
                braces -= braces > 0
            elif braces:
                continue
            elif text == "(":
                depth += 1
            elif text == ")":
                depth -= 1
            elif text == "," and depth == 1:
                count += 1
        return count, index

    def _split_arguments(self, macro: SingleLineMacro, tokens: list[Token], count: int) -> list[list[Token]]:
        """The tokens between the parentheses cut at commas, blanks at the ends and enclosing braces removed."""
        parameters = macro.parameters
        arguments: list[list[Token]] = [[]]
        braces = depth = pending_space = 0
        bracketed = False
        for token in tokens:
            kind, text = token
            parameter = parameters[min(len(arguments), len(parameters)) - 1]
            current = arguments[-1]
            if kind == WHITE and not parameter.keep_space:
                pending_space = pending_space or bool(braces or current)
                continue
            if kind == OTHER and text in (",", "{", "}", "(", ")"):
                if text == "," and not braces and not depth and not parameter.greedy:
                    arguments.append([])
                    bracketed, pending_space = False, 0
                    continue
                if text == "{":
                    opens = not bracketed and not current and not parameter.keep_space
                    bracketed = bracketed or opens
                    braces += 1
                    if opens:
                        continue
                elif text == "}" and braces:
                    braces -= 1
                    if not braces and bracketed:
                        continue
                elif not braces:
                    depth += (text == "(") - (text == ")")
            if pending_space:
                current.append(SPACE)
                pending_space = 0
            current.append(token)
        arguments.extend([] for _ in range(len(parameters) - len(arguments)))
        return arguments

    def _prepare(self, macro: SingleLineMacro, raw: list[list[Token]]) -> list[Tokens]:
        """Arguments after ``=`` evaluation and ``&`` quoting."""
        prepared: list[Tokens] = []
        for index, argument in enumerate(raw):
            parameter = macro.parameters[min(index, len(macro.parameters) - 1)]
            tokens: Tokens = tuple(argument)
            if parameter.evaluate:
                tokens = self._evaluated(macro, parameter, index, tokens)
            if parameter.stringify:
                expanded = self.nested(tokens)
                whole = parameter.keep_string and len(expanded) == 1 and expanded[0][0] == STRING
                tokens = (expanded[0],) if whole else ((STRING, quote(self._engine.text(expanded))),)
            prepared.append(tokens)
        return prepared

    def _evaluated(self, macro: SingleLineMacro, parameter: Parameter, index: int, tokens: Tokens) -> Tokens:
        expanded = self.nested(tokens)
        if skip_white(expanded) == len(expanded) and parameter.optional:
            return ()
        kind = "function" if macro.name.startswith("%") else "macro"
        result = self._engine.evaluate_tokens(expanded)
        if result is None:
            return ()
        value, rest = result
        if rest:
            self._engine.error(f"invalid expression in parameter {index} of {kind} `{macro.name}'")
        elif value is None:
            self._engine.error(f"non-constant expression in parameter {index} of {kind} `{macro.name}'")
        else:
            return number_tokens(value)
        return ()

    def _substitute(
        self, macro: SingleLineMacro, called: Token, arguments: list[Tokens], stack: list[Token]
    ) -> None:
        """Push the macro's expansion onto ``stack``, from its last token to its first, expanding names on the way."""
        function = macro.function
        work = list(macro.expansion if function is None else function(self._engine, arguments, macro.name))
        comma_wanted = False
        while work:
            token = work.pop()
            kind = token[0]
            if kind >= PARAMETER:
                work.extend(arguments[kind - PARAMETER])
                comma_wanted = False
                continue
            if kind == CONDITIONAL_COMMA:
                if not comma_wanted:
                    continue
                token = COMMA
            elif kind in (NAME_AS_CALLED, SINGLE_NAME_AS_CALLED):
                token = called
            elif kind in (NAME_AS_DEFINED, SINGLE_NAME_AS_DEFINED):
                prefix = (
                    called[1][: len(called[1]) - len(called[1].lstrip("%$"))]
                    if called[0] == LOCAL_MACRO
                    else ""
                )
                token = (called[0], prefix + macro.name)
            self._budget -= 1
            self._text -= len(token[1])
            if self._text < 0 or self._budget < 0:
                raise self._give_up()
            stack.append(token)
            if kind in _EXPANDABLE:
                count = self._expand_top(stack)
                if count >= 0:
                    comma_wanted = comma_wanted or any(t[0] != WHITE for t in stack[len(stack) - count :])
                    continue
            comma_wanted = comma_wanted or token[0] != WHITE
