"""Directives that define single-line macros: %define and kin, numbers, strings, the stack frame (manual 4.1, 4.2, 4.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from toolkit.asm.preprocess import define, functions
from toolkit.asm.preprocess.calls import Call, Handler
from toolkit.asm.preprocess.macros import number_tokens
from toolkit.asm.preprocess.state import StackFrame, is_blank
from toolkit.asm.preprocess.tokens import (
    BARE_STRING,
    IDENTIFIER,
    LOCAL_MACRO,
    PROTECTED_PARAMETER,
    STRING,
    WHITE,
    Token,
    Tokens,
    is_operator,
    quote,
    skip_white,
    text_of,
    tokenize,
    unquote,
)


def _define(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    name, rest = found
    parameters, start = define.parse_template(call.engine, rest, 0)
    body: Sequence[Token] = rest[start:]
    if call.name.endswith("xdefine"):
        body = call.engine.expander.line(define.mark_parameters(body, parameters, PROTECTED_PARAMETER))
    define.define(call.engine, name, body, case_sensitive=call.case_sensitive, parameters=parameters)


def _define_alias(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    name, rest = found
    target = rest[skip_white(rest) :]
    if not target or target[0][0] not in (IDENTIFIER, LOCAL_MACRO):
        call.error(f"`{call.name}' expects a macro identifier to alias")
        return
    if not is_blank(target[1:]):
        call.engine.warn("pp-trailing", "trailing garbage after aliasing identifier ignored")
    define.define(call.engine, name, target[:1], case_sensitive=call.case_sensitive, alias=True)


def _undefine(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    if found[1]:
        call.engine.warn("pp-trailing", "trailing garbage after macro name ignored")
    define.undefine(call.engine, found[0], aliases=call.name == "%undefalias")


def _assign(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    value = call.engine.constant(call.engine.expander.line(found[1]), call.name)
    if value is not None:
        define.define(call.engine, found[0], number_tokens(value), case_sensitive=call.case_sensitive)


def _define_string(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    body = call.engine.expander.line(found[1])
    text = call.engine.text(body[skip_white(body) :])
    define.define(call.engine, found[0], ((STRING, quote(text)),), case_sensitive=call.case_sensitive)


def _with_string(make: Callable[[Call, str, list[Token]], Tokens | None]) -> Handler:
    """A directive of the form ``%name MACRO 'string' …``: ``make`` gets the string and what follows it."""

    def handle(call: Call) -> None:
        found = call.identifier()
        if found is None:
            return
        body = call.engine.expander.line(found[1])
        index = skip_white(body)
        if index >= len(body) or body[index][0] != STRING:
            wants = "requires a string as parameter" if call.name.endswith("substr") else None
            call.error(f"`{call.name}' {wants or 'requires string as second parameter'}")
            return
        result = make(call, unquote(body[index][1]), body[index + 1 :])
        if result is not None:
            define.define(call.engine, found[0], result, case_sensitive=call.case_sensitive)

    return handle


def _tokens_of_string(call: Call, text: str, rest: list[Token]) -> Tokens | None:
    return tokenize(text, call.engine.warn)


def _length(call: Call, text: str, rest: list[Token]) -> Tokens | None:
    return number_tokens(len(text))


def _substring(call: Call, text: str, rest: list[Token]) -> Tokens | None:
    index = skip_white(rest)
    if index < len(rest) and is_operator(rest[index], ","):
        index = skip_white(rest, index + 1)
    if index >= len(rest):
        call.error(f"`{call.name}' requires a starting index")
        return None
    comma = next((i for i in range(index, len(rest)) if is_operator(rest[i], ",")), len(rest))
    numbers: list[int] = []
    for part in (rest[index:comma], rest[comma + 1 :]):
        if is_blank(part):
            continue
        result = call.engine.evaluate_tokens(part)
        if result is None:
            return None
        if result[0] is None:
            call.error(f"non-constant value given to `{call.name}'")
            return None
        numbers.append(result[0])
    return ((STRING, quote(functions.substring(text, numbers[0], numbers[1] if len(numbers) > 1 else 1))),)


def _concatenate(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    parts: list[str] = []
    for token in call.engine.expander.line(found[1]):
        if token[0] == STRING:
            parts.append(unquote(token[1]))
        elif token[0] == BARE_STRING:
            parts.append(token[1])
        elif token[0] != WHITE and not is_operator(token, ","):
            call.error(f"non-string passed to `{call.name}': {token[1]}")
            return
    define.define(
        call.engine, found[0], ((STRING, quote("".join(parts))),), case_sensitive=call.case_sensitive
    )


_STACK_SIZES = {
    "flat": StackFrame(4, "ebp", 8),
    "flat64": StackFrame(8, "rbp", 16),
    "large": StackFrame(2, "bp", 4),
    "small": StackFrame(2, "bp", 6),
}
_SIZES = {"byte": 1, "word": 2, "dword": 4, "qword": 8, "tword": 10, "oword": 16, "yword": 32, "zword": 64}


def _stack_size(call: Call) -> None:
    words = [t for t in call.tokens if t[0] != WHITE]
    if not words or words[0][0] != IDENTIFIER:
        call.error(f"`{call.name}' missing size parameter")
    elif words[0][1].lower() not in _STACK_SIZES:
        call.error(f"`{call.name}' invalid size type")
    else:
        call.engine.stack = replace(_STACK_SIZES[words[0][1].lower()])


def _stack_names(call: Call) -> None:
    """%arg and %local: ``name:size, …`` become macros for places relative to the frame pointer."""
    engine = call.engine
    frame = engine.stack
    tokens = call.tokens
    index = 0
    local = call.name == "%local"
    while True:
        index = skip_white(tokens, index)
        if index >= len(tokens) or tokens[index][0] != IDENTIFIER:
            call.error(f"`{call.name}' missing argument parameter")
            return
        name = tokens[index][1]
        if index + 1 >= len(tokens) or not is_operator(tokens[index + 1], ":"):
            call.error(f"syntax error processing `{call.name}' directive")
            return
        if index + 2 >= len(tokens) or tokens[index + 2][0] != IDENTIFIER:
            call.error(f"`{call.name}' missing size type parameter")
            return
        size = _SIZES.get(text_of(engine.expander.line(tokens[index + 2 : index + 3])).lower(), 0)
        if not size:
            call.error(f"invalid size type for `{call.name}' missing directive")
            return
        size = -(-size // frame.size) * frame.size
        _define_stack_name(call, name, size, local)
        index = skip_white(tokens, index + 3)
        if index >= len(tokens) or not is_operator(tokens[index], ","):
            return
        index += 1


def _define_stack_name(call: Call, name: str, size: int, local: bool) -> None:
    engine, frame = call.engine, call.engine.stack
    if local:
        frame.local += size
        place = f"({frame.pointer}-{frame.local})"
    else:
        place = f"({frame.pointer}+{frame.argument})"
        frame.argument += size
    define.define(engine, name, tokenize(place))
    if local:
        assign = Call(engine, tokenize(f" %$localsize %$localsize+{size}"), "%assign", True)
        _assign(assign)


WITH_CASE: dict[str, Handler] = {
    "%define": _define,
    "%xdefine": _define,
    "%assign": _assign,
    "%defalias": _define_alias,
    "%defstr": _define_string,
    "%deftok": _with_string(_tokens_of_string),
    "%strcat": _concatenate,
    "%strlen": _with_string(_length),
    "%substr": _with_string(_substring),
}
TABLE: dict[str, Handler] = {
    "%arg": _stack_names,
    "%local": _stack_names,
    "%stacksize": _stack_size,
    "%undef": _undefine,
    "%undefalias": _undefine,
}
