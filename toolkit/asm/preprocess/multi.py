"""Multi-line macros: reading a definition, recognising a call, and the parameters inside a body (manual section 4.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.asm.preprocess.constants import parameter_count
from toolkit.asm.preprocess.macros import MANY, Invocation, MacroLine, MultiLineMacro
from toolkit.asm.preprocess.paste import JOINS_PARAMETERS, paste
from toolkit.asm.preprocess.tokens import (
    COMMA,
    IDENTIFIER,
    INDIRECT,
    LOCAL_LABEL,
    LOCAL_MACRO,
    MACRO_PARAMETER,
    NAME_AS_CALLED,
    NAME_AS_DEFINED,
    NUMBER,
    OTHER,
    WHITE,
    Token,
    Tokens,
    is_operator,
    skip_white,
    tokenize_cached,
)

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine

MAX_CALL_LEVELS = 500  # nasm: 10,000
MAX_CALLS = 100_000  # nasm's "mmacros" limit: calls before the outermost one returns

_INVERSE_CONDITIONS = {
    "a": "na", "ae": "nae", "b": "nb", "be": "nbe", "c": "nc", "e": "ne", "g": "ng", "ge": "nge", "l": "nl",
    "le": "nle", "na": "a", "nae": "ae", "nb": "b", "nbe": "be", "nc": "c", "ne": "e", "ng": "g", "nge": "ge",
    "nl": "l", "nle": "le", "no": "o", "np": "p", "ns": "s", "nz": "z", "o": "no", "p": "np", "pe": "po",
    "po": "pe", "s": "ns", "z": "nz", "cxz": "", "ecxz": "", "rcxz": "",
}  # fmt: skip
_SPECIAL = frozenset((LOCAL_LABEL, MACRO_PARAMETER, NAME_AS_CALLED, NAME_AS_DEFINED, INDIRECT))
_RANGE = re.compile(r"%(-?\d+):(-?\d+)")


@dataclass(slots=True)
class Specification:
    """What stands after ``%macro``: name, how many parameters, defaults."""

    name: str
    fewest: int = 0
    most: int = 0
    greedy: bool = False
    no_list: bool = False
    defaults: tuple[Tokens, ...] = ()


def parse_specification(engine: Engine, tokens: Sequence[Token], directive: str) -> Specification | None:
    """Read ``name min-max+.nolist defaults``. None after an error in the name."""
    line = engine.expander.name(tokens, skip_white(tokens)) if tokens else []
    if not line or line[0][0] != IDENTIFIER:
        engine.error(f"`{directive}' expects a macro name")
        return None
    spec = Specification(line[0][1])
    rest = engine.expander.line(line[1:])
    index = skip_white(rest)
    if index >= len(rest) or rest[index][0] != NUMBER:
        engine.error(f"`{directive}' expects a parameter count")
    else:
        spec.fewest = spec.most = parameter_count(engine, rest[index][1])
    if _operator_at(rest, index + 1, "-"):
        index += 2
        spec.most = _upper_bound(engine, rest, index, spec, directive)
    if _operator_at(rest, index + 1, "+"):
        index += 1
        spec.greedy = True
    if index + 1 < len(rest) and rest[index + 1][0] == IDENTIFIER and rest[index + 1][1].lower() == ".nolist":
        index += 1
        spec.no_list = True
    if index + 1 < len(rest):
        _read_defaults(engine, rest[index + 1 :], spec)
    return spec


def _operator_at(tokens: Sequence[Token], index: int, text: str) -> bool:
    return index < len(tokens) and is_operator(tokens[index], text)


def _upper_bound(engine: Engine, rest: list[Token], index: int, spec: Specification, directive: str) -> int:
    if _operator_at(rest, index, "*"):
        return MANY
    if index >= len(rest) or rest[index][0] != NUMBER:
        engine.error(f"`{directive}' expects a parameter count after `-'")
        return spec.most
    most = parameter_count(engine, rest[index][1])
    if spec.fewest > most:
        engine.error("minimum parameter count exceeds maximum")
        return spec.fewest
    return most


def _read_defaults(engine: Engine, tokens: list[Token], spec: Specification) -> None:
    split = split_arguments(engine, tokens)
    if split.trailing is not None and not engine.sane_empty_expansion:
        split.drop_trailing()
        engine.warn(
            "pp-macro-params-legacy",
            f"dropping trailing empty default parameter in definition of multi-line macro `{spec.name}'",
        )
    count = len(split.starts)
    spec.defaults = tuple(split.argument(i, greedy=spec.greedy and i == count - 1) for i in range(count))
    if count > spec.most - spec.fewest and not spec.greedy:
        engine.warn("pp-macro-defaults", f"too many default macro parameters in macro `{spec.name}'")


@dataclass(slots=True)
class Arguments:
    """The arguments of a call as they stand in the line: where each starts, and where a comma with nothing after it is."""

    tokens: Sequence[Token]
    starts: list[int]
    trailing: int | None = None

    def drop_trailing(self) -> None:
        """Forget the empty last argument and its comma."""
        self.tokens = self.tokens[: self.trailing]
        self.starts.pop()

    def argument(self, number: int, *, greedy: bool) -> Tokens:
        """Argument ``number`` (from 0) without blanks at its ends and braces around it; ``greedy``: to the line's end."""
        tokens = self.tokens
        index = skip_white(tokens, self.starts[number])
        stop = index
        depth = 0
        braced = _operator_at(tokens, index, "{")
        if braced:
            index += 1
            stop, depth = index, 1
        for position in range(index, len(tokens)):
            kind, text = tokens[position]
            if kind == WHITE:
                continue
            if kind == OTHER:
                if text == "," and not depth and not greedy and not braced:
                    break
                depth += (text == "{") - (text == "}")
                if braced and not depth:
                    stop = position
                    break
            stop = position + 1
        return tuple(tokens[index:stop])


def split_arguments(engine: Engine, tokens: Sequence[Token]) -> Arguments:
    """Cut the text after a macro's name at its commas."""
    index = skip_white(tokens)
    split = Arguments(tokens, [])
    while index < len(tokens):
        split.starts.append(index)
        if _operator_at(tokens, index, "{"):
            index = _closing_brace(engine, tokens, index)
        while index < len(tokens) and not is_operator(tokens[index], ","):
            index += 1
        if index >= len(tokens):
            return split
        comma = index
        index = skip_white(tokens, index + 1)
        if index >= len(tokens):
            split.starts.append(index)
            split.trailing = comma
    return split


def _closing_brace(engine: Engine, tokens: Sequence[Token], index: int) -> int:
    """The index behind the brace that closes the one at ``index``; reports what stands behind it before the comma."""
    depth = 1
    while depth:
        index += 1
        if index >= len(tokens):
            engine.error("expecting closing brace in macro parameter")
            return index
        depth += is_operator(tokens[index], "{") - is_operator(tokens[index], "}")
    after = skip_white(tokens, index + 1)
    if after < len(tokens) and not is_operator(tokens[after], ","):
        engine.error("braces do not enclose all of macro parameter")
    return after


def expand_call(engine: Engine, line: Sequence[Token]) -> bool:
    """If ``line`` calls a multi-line macro, start its expansion and say so."""
    start = skip_white(line)
    if start >= len(line) or line[start][0] not in (IDENTIFIER, LOCAL_MACRO):
        return False
    table = engine.multi
    label: Tokens = ()
    colon = False
    name_at = start
    match = _match_call(engine, line, start) if line[start][1].lower() in table else None
    if match is None:
        name_at = skip_white(line, start + 1)
        if _operator_at(line, name_at, ":"):
            colon = True
            name_at = skip_white(line, name_at + 1)
        if name_at >= len(line) or line[name_at][0] not in (IDENTIFIER, LOCAL_MACRO):
            return False
        match = _match_call(engine, line, name_at) if line[name_at][1].lower() in table else None
        if match is None:
            return False
        label = tuple(line[:name_at])
    macro, arguments = match
    engine.check_call(macro.name)
    captured: Tokens = (line[start],) if label and macro.captures_label else ()
    prefix = () if not label or macro.captures_label else label if colon else (*label, (OTHER, ":"))
    engine.enter_macro(macro, [captured, *arguments], line[name_at][1], prefix)
    return True


def _match_call(
    engine: Engine, line: Sequence[Token], name_at: int
) -> tuple[MultiLineMacro, list[Tokens]] | None:
    """The macro called and its arguments; None if none fits (with a warning when one of that name exists)."""
    name = line[name_at][1]
    candidates = [m for m in engine.multi.get(name.lower(), ()) if m.matches(name)]
    running = engine.running
    usable = [m for m in candidates if running.get(m, 0) != 1 or m.recursive]
    if not usable:
        return None
    candidates = candidates[candidates.index(usable[0]) :]
    split = split_arguments(engine, line[name_at + 1 :])
    count = len(split.starts)
    found = next((m for m in candidates if m.takes(count)), None)
    if found is not None and running.get(found, 0) > (MAX_CALL_LEVELS if found.recursive else 0):
        if found.recursive:
            engine.warn("other", f"reached maximum recursion depth of {MAX_CALL_LEVELS}")
        return None
    if not engine.sane_empty_expansion:
        found = _legacy_arguments(engine, candidates, found, split, name_at + 1 < len(line))
    if found is None:
        plural = "" if count == 1 else "s"
        engine.warn(
            "pp-macro-params-multi",
            f"multi-line macro `{name}' exists, but not taking {count} parameter{plural}",
        )
        return None
    return found, _completed(found, split)


def _legacy_arguments(
    engine: Engine,
    candidates: list[MultiLineMacro],
    found: MultiLineMacro | None,
    split: Arguments,
    has_text: bool,
) -> MultiLineMacro | None:
    """nasm's treatment of an empty last argument, kept for programs written before 2.15 (``sane_empty_expansion``)."""
    count = len(split.starts)
    trailing = split.trailing is not None
    if found is None:
        if count == 0 and has_text:
            found = next((m for m in candidates if m.takes(1)), None)
        elif count > 1 and trailing:
            found = next((m for m in candidates if m.takes(count - 1)), None)
            if found is not None:
                split.drop_trailing()
    elif trailing:
        past_the_end = count > found.most and found.greedy
        split.drop_trailing()
        if past_the_end:
            split.starts.append(len(split.tokens))
    if found is not None:
        if not found.takes(count):
            engine.warn(
                "pp-macro-params-legacy",
                f"improperly calling multi-line macro `{found.name}' with {count} parameters",
            )
        elif trailing:
            engine.warn(
                "pp-macro-params-legacy",
                f"dropping trailing empty parameter in call to multi-line macro `{found.name}'",
            )
    return found


def _completed(macro: MultiLineMacro, split: Arguments) -> list[Tokens]:
    """The arguments, a greedy last one to the end of the line, defaults added."""
    given = len(split.starts)
    defaults = (
        list(macro.defaults[max(given - macro.fewest, 0) :])
        if given < macro.fewest + len(macro.defaults)
        else []
    )
    total = given + len(defaults)
    if macro.greedy and total > macro.most:
        total = macro.most
    arguments = [split.argument(i, greedy=macro.greedy and i == total - 1) for i in range(min(given, total))]
    return [*arguments, *defaults][:total]


def expand_parameters(engine: Engine, tokens: Tokens, call: Invocation | None) -> Tokens:
    """%1, %0, %%label, %[...] and kin replaced; adjacent words joined as nasm does afterwards."""
    for kind, _ in tokens:
        if kind in _SPECIAL:
            break
    else:
        return tokens
    out: list[Token] = []
    changed = False
    for token in tokens:
        replacement = _parameter(engine, token, call) if token[0] in _SPECIAL else None
        if replacement is None:
            out.append(token)
        else:
            out.extend(replacement)
            changed = True
    if changed:
        out, _ = paste(out, JOINS_PARAMETERS, engine.warn, explicit=False)
    return tuple(out)


def _parameter(engine: Engine, token: Token, call: Invocation | None) -> Sequence[Token] | None:
    """What one special token stands for; None when it stays as it is."""
    kind, text = token
    if kind == INDIRECT:
        with engine.indirection():
            inner = expand_parameters(engine, tokenize_cached(text, engine.warn), call)
            return engine.expander.nested(inner)
    if kind in (NAME_AS_CALLED, NAME_AS_DEFINED):
        if call is None:
            return None
        return ((IDENTIFIER, call.called_as if kind == NAME_AS_CALLED else call.macro.name),)
    if call is None:
        engine.error(f"`{text}': not in a macro call")
        return ()
    if kind == LOCAL_LABEL:
        return ((IDENTIFIER, f"..@{call.unique}.{text[2:]}"),)
    if ":" in text:
        return _range(engine, text, call)
    if text[1] in "+-":
        return _condition_code(engine, text, call)
    if text == "%0":
        return ((NUMBER, str(call.count)),)
    digits = text[1:]
    if not digits.isdecimal() or (digits[0] == "0" and digits != "00"):
        engine.error(f"invalid macro parameter: `{text}'")
        return ()
    return (call.argument(int(digits)) if len(digits) < 10 else None) or ()


def _range(engine: Engine, text: str, call: Invocation) -> Sequence[Token]:
    """%{first:last}: arguments side by side, forwards or backwards; negative numbers count from the end."""
    bounds = _RANGE.fullmatch(text)
    count = call.count
    limits = [int(b[:12]) for b in bounds.groups()] if bounds else [0, 0]
    if any(not 0 < abs(limit) <= count for limit in limits):
        engine.error(f"`%{{{text[1:]}}}': macro parameters out of range")
        return ()
    first, last = (limit + count + 1 if limit < 0 else limit for limit in limits)
    step = 1 if first < last else -1
    out: list[Token] = []
    for number in range(first, last + step, step):
        out.extend([COMMA] if out or number != first else [])
        out.extend(call.argument(number) or ())
    return out


def _condition_code(engine: Engine, text: str, call: Invocation) -> Sequence[Token]:
    """%+1 and %-1: a condition code such as ``nz``, or its inverse."""
    digits = text[2:]
    argument = (call.argument(int(digits)) if digits.isdecimal() and int(digits[:9]) else None) or ()
    words = [t for t in argument if t[0] != WHITE]
    alone = len(words) == 1 or (len(words) > 1 and is_operator(words[1], ","))
    code = words[0][1].lower() if alone and words[0][0] == IDENTIFIER else ""
    if code not in _INVERSE_CONDITIONS:
        engine.error(f"macro parameter `{text}' is not a condition code")
        return ()
    if text[1] == "+":
        return ((IDENTIFIER, code),)
    inverse = _INVERSE_CONDITIONS[code]
    if not inverse:
        engine.error(f"condition code `{code}' is not invertible")
        return ()
    return ((IDENTIFIER, inverse),)


def captures_label(body: Sequence[MacroLine]) -> bool:
    """Whether a macro's body mentions %00, so that a label before its call is an argument."""
    return any(token == (MACRO_PARAMETER, "%00") for line in body for token in line.tokens)
