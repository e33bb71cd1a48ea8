"""The %if family (nasm manual section 4.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toolkit.asm.preprocess.constants import parameter_count
from toolkit.asm.preprocess.define import defined
from toolkit.asm.preprocess.macros import MANY
from toolkit.asm.preprocess.multi import expand_parameters
from toolkit.asm.preprocess.state import MAX_CONDITIONS, Condition, ConditionState, is_blank
from toolkit.asm.preprocess.tokens import (
    BARE_STRING,
    ENVIRONMENT,
    IDENTIFIER,
    LOCAL_MACRO,
    NUMBER,
    STRING,
    WHITE,
    Token,
    Tokens,
    is_operator,
    skip_white,
    unquote,
)

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine

Test = Callable[["Engine", Sequence[Token], str], "bool | None"]


def _expression(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
    value = engine.constant(engine.expander.line(tokens), directive)
    return None if value is None else value != 0


def _context(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
    current = engine.contexts[-1].name if engine.contexts else None
    matched = False
    for kind, text in tokens:
        if kind == WHITE:
            continue
        if kind != IDENTIFIER:
            engine.error(f"`{directive}' expects context identifiers")
            return None
        matched = matched or (current is not None and current.lower() == text.lower())
    return matched


def _defined(alias: bool) -> Test:
    def test(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
        index = 0
        while index < len(tokens):
            index = skip_white(tokens, index)
            if index >= len(tokens) or tokens[index][0] not in (IDENTIFIER, LOCAL_MACRO):
                engine.error(f"`{directive}' expects macro identifiers")
                return None
            if defined(engine, tokens[index][1], alias=alias):
                return True
            index += 1
        return False

    return test


def _environment(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
    found = False
    for token in engine.expander.line(tokens):
        if token[0] == WHITE:
            continue
        if token[0] not in (IDENTIFIER, STRING, BARE_STRING, ENVIRONMENT):
            engine.error(f"`{directive}' expects environment variable names")
            return None
        found = engine.environment_value(token, warn=False) is not None or found
    return found


def _identical(case_sensitive: bool) -> Test:
    def test(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
        line = engine.expander.line(tokens)
        comma = next((i for i, t in enumerate(line) if is_operator(t, ",")), None)
        if comma is None:
            engine.error(f"`{directive}' expects two comma-separated arguments")
            return None
        left, right = 0, comma + 1
        while left < comma and right < len(line):
            if is_operator(line[right], ","):
                engine.error(f"`{directive}': more than one comma on line")
                return None
            if line[left][0] == WHITE:
                left += 1
            elif line[right][0] == WHITE:
                right += 1
            elif _same(line[left], line[right], case_sensitive):
                left, right = left + 1, right + 1
            else:
                return False
        # nasm: a blank that is left over before the comma, or behind the second text, makes them differ
        return left == comma and right == len(line)

    return test


def _same(left: Token, right: Token, case_sensitive: bool) -> bool:
    if left[0] != right[0]:
        return False
    one, other = (unquote(t[1]) if t[0] == STRING else t[1] for t in (left, right))
    return one == other if case_sensitive else one.lower() == other.lower()


def _macro(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
    line = engine.expander.name(tokens, skip_white(tokens)) if tokens else []
    if not line or line[0][0] != IDENTIFIER:
        engine.error(f"`{directive}' expects a macro name")
        return None
    name = line[0][1]
    rest = engine.expander.line(line[1:])
    index = skip_white(rest)
    fewest, most, greedy = 0, MANY, False
    if index < len(rest):
        if rest[index][0] != NUMBER:
            engine.error(f"`{directive}' expects a parameter count or nothing")
        else:
            fewest = most = parameter_count(engine, rest[index][1])
        if index + 1 < len(rest) and is_operator(rest[index + 1], "-"):
            index += 2
            most = _most(engine, rest, index, fewest, directive)
        if index + 1 < len(rest) and is_operator(rest[index + 1], "+"):
            index += 1
            greedy = True
        if index + 1 < len(rest):
            engine.warn("pp-trailing", f"trailing garbage after `{directive}' ignored")
    entries = engine.multi.get(name.lower(), ())
    return any(m.name == name and m.overlaps(fewest, most, greedy) for m in entries)


def _most(engine: Engine, rest: list[Token], index: int, fewest: int, directive: str) -> int:
    if index < len(rest) and is_operator(rest[index], "*"):
        return MANY
    if index >= len(rest) or rest[index][0] != NUMBER:
        engine.error(f"`{directive}' expects a parameter count after `-'")
        return fewest
    most = parameter_count(engine, rest[index][1])
    if fewest > most:
        engine.error("minimum parameter count exceeds maximum")
        return fewest
    return most


def _kind(wanted: int) -> Test:
    def test(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
        line = engine.expander.line(tokens)
        index = 0
        while index < len(line) and (
            line[index][0] == WHITE
            or (wanted == NUMBER and line[index][1] in ("-", "+") and line[index][0] != STRING)
        ):
            index += 1
        return index < len(line) and line[index][0] == wanted

    return test


def _one_token(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
    return sum(kind != WHITE for kind, _ in engine.expander.line(tokens)) == 1


def _empty(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
    return is_blank(engine.expander.line(tokens))


def _package(loaded: bool) -> Test:
    def test(engine: Engine, tokens: Sequence[Token], directive: str) -> bool | None:
        name = package_name(engine, tokens, directive)
        if name is None:
            return None
        return name in (engine.used_packages if loaded else engine.packages)

    return test


def package_name(engine: Engine, tokens: Sequence[Token], directive: str) -> str | None:
    """The lower-case package name of %use and kin; None after an error."""
    line = engine.expander.line(tokens[skip_white(tokens) :])
    if not line:
        engine.error(f"`{directive}' expects a package name, got end of line")
        return None
    kind, text = line[0]
    if kind not in (IDENTIFIER, STRING):
        engine.error(f"`{directive}' expects a package name, got `{text}'")
        return None
    if skip_white(line, 1) < len(line):
        engine.warn("pp-trailing", f"trailing garbage after `{directive}' ignored")
    return (unquote(text) if kind == STRING else text).lower()


TESTS: dict[str, Test] = {
    "": _expression,
    "ctx": _context,
    "def": _defined(alias=False),
    "defalias": _defined(alias=True),
    "empty": _empty,
    "env": _environment,
    "id": _kind(IDENTIFIER),
    "idn": _identical(case_sensitive=True),
    "idni": _identical(case_sensitive=False),
    "macro": _macro,
    "num": _kind(NUMBER),
    "str": _kind(STRING),
    "token": _one_token,
    "usable": _package(loaded=False),
    "using": _package(loaded=True),
}


def split_name(name: str) -> tuple[str, str, bool] | None:
    """(``%if`` or ``%elif``, the test's name, negated) of a directive in lower case; None if it is no condition."""
    for prefix in ("%if", "%elif"):
        if name.startswith(prefix):
            test = name[len(prefix) :]
            if test in TESTS:
                return prefix, test, False
            if test.startswith("n") and test[1:] in TESTS:
                return prefix, test[1:], True
    return None


def evaluate_test(engine: Engine, test: str, negated: bool, tokens: Sequence[Token], directive: str) -> int:
    """The state an %if enters: true, false, or never when its condition is in error."""
    result = TESTS[test](engine, tokens, directive)
    if result is None:
        return ConditionState.NEVER
    return ConditionState.IF_TRUE if result != negated else ConditionState.IF_FALSE


def begin(
    engine: Engine, name: str, test: str, negated: bool, tokens: Tokens, suppressed: bool, directive: str
) -> None:
    """``%if…``"""
    conditions = engine.files[-1].conditions
    if len(conditions) >= MAX_CONDITIONS:
        raise engine.fatal(
            "too many nested conditionals",
            f"more than {MAX_CONDITIONS:,} %if are open at once",
            "each %if needs its %endif",
        )
    state = ConditionState.NEVER if suppressed else evaluate_test(engine, test, negated, tokens, directive)
    conditions.append(Condition(state, name, engine.file, engine.line))


def otherwise(engine: Engine, test: str, negated: bool, tokens: Tokens, ended: bool, directive: str) -> None:
    """``%elif…``"""
    condition = _open_condition(engine, directive)
    if condition is None:
        return
    if condition.state == ConditionState.IF_TRUE:
        condition.state = ConditionState.DONE
    elif condition.state in (ConditionState.ELSE_TRUE, ConditionState.ELSE_FALSE):
        if not ended:
            engine.warn("pp-else-elif", f"`{directive}' after `%else', ignoring content")
        condition.state = ConditionState.NEVER
    elif condition.state == ConditionState.IF_FALSE and not ended:
        invocation = engine.files[-1].invocation
        expanded = expand_parameters(engine, tokens, invocation.macro_call if invocation else None)
        condition.state = evaluate_test(engine, test, negated, expanded, directive)


def alternative(engine: Engine, rest: Tokens) -> None:
    """``%else``"""
    condition = _open_condition(engine, "%else")
    if condition is None:
        return
    if rest and condition.state != ConditionState.NEVER:
        engine.warn("pp-trailing", "trailing garbage after `%else' ignored")
    if condition.state in (ConditionState.IF_TRUE, ConditionState.DONE):
        condition.state = ConditionState.ELSE_FALSE
    elif condition.state == ConditionState.IF_FALSE:
        condition.state = ConditionState.ELSE_TRUE
    elif condition.state in (ConditionState.ELSE_TRUE, ConditionState.ELSE_FALSE):
        engine.warn("pp-else-else", "`%else' after `%else', ignoring content")
        condition.state = ConditionState.NEVER


def finish(engine: Engine, rest: Tokens) -> None:
    """``%endif``"""
    condition = _open_condition(engine, "%endif")
    if condition is None:
        return
    if rest and condition.state != ConditionState.NEVER:
        engine.warn("pp-trailing", "trailing garbage after `%endif' ignored")
    engine.files[-1].conditions.pop()


def _open_condition(engine: Engine, directive: str) -> Condition | None:
    """The innermost open %if of the file being read; None, with an error, if there is none."""
    conditions = engine.files[-1].conditions
    if not conditions:
        engine.error(f"`{directive}': no matching `%if'")
        return None
    return conditions[-1]
