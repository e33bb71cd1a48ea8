"""Defining single-line macros and forgetting them again (nasm manual section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.asm.preprocess.macros import Context, Parameter, SingleLineMacro
from toolkit.asm.preprocess.tokens import (
    IDENTIFIER,
    OTHER,
    PARAMETER,
    PROTECTED_PARAMETER,
    WHITE,
    Token,
    Tokens,
    is_operator,
    skip_white,
)

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine


def parse_template(engine: Engine, tokens: Sequence[Token], start: int) -> tuple[tuple[Parameter, ...], int]:
    """The parameter list that opens at ``start`` right behind a macro's name, and where the expansion begins."""
    parameters: list[Parameter] = []
    if start >= len(tokens) or not is_operator(tokens[start], "("):
        return (), skip_white(tokens, start)
    index = start + 1
    name, flags, reported, any_flag = "", Parameter(), False, False
    while True:
        if index >= len(tokens):
            wording = (
                "`)' expected to terminate macro template"
                if name or any_flag
                else "parameter identifier expected"
            )
            engine.error(wording)
            return tuple(parameters), index
        kind, text = tokens[index]
        index += 1
        if kind == IDENTIFIER and not name:
            name = text
        elif kind == OTHER and text in _PARAMETER_FLAGS:
            flags, any_flag = _with_flag(flags, text), True
        elif kind == OTHER and text in (",", ")"):
            if flags.greedy and text == ",":
                engine.error("greedy parameter must be last")
            parameters.append(replace(flags, name=name))
            name, flags, any_flag = "", Parameter(), False
            if text == ")":
                return tuple(parameters), skip_white(tokens, index)
        elif kind != WHITE and not reported:
            engine.error(f"garbage `{text}' in macro parameter list")
            reported = True


_PARAMETER_FLAGS = frozenset(("=", "&", "&&", "!", "+"))


def _with_flag(parameter: Parameter, flag: str) -> Parameter:
    if flag == "=":
        return replace(parameter, evaluate=True)
    if flag in ("&", "&&"):
        return replace(parameter, stringify=True, keep_string=parameter.keep_string or flag == "&&")
    if flag == "!":
        return replace(parameter, keep_space=True)
    return replace(parameter, greedy=True, optional=True)


def mark_parameters(
    tokens: Iterable[Token], parameters: Sequence[Parameter], kind: int | None = None
) -> Tokens:
    """Identifiers that are parameter names, turned into parameter tokens (or into ``kind``)."""
    numbers = {p.name: i for i, p in enumerate(parameters) if p.name}
    if not numbers:
        return tuple(tokens)
    return tuple(
        (kind if kind is not None else PARAMETER + numbers[text], text)
        if old in (IDENTIFIER, PROTECTED_PARAMETER) and text in numbers
        else (old, text)
        for old, text in tokens
    )


def define(
    engine: Engine,
    name: str,
    expansion: Iterable[Token],
    *,
    case_sensitive: bool = True,
    parameters: tuple[Parameter, ...] = (),
    alias: bool = False,
    _following: int = 0,
) -> None:
    """Enter a single-line macro; ``%$name`` goes to its context. Follows aliases, and warns of what it shadows."""
    full_name = name
    context, name = engine.context_of(name) if name.startswith("%$") else (None, name)
    if context is None and full_name.startswith("%$"):
        name = full_name  # the missing context was reported; nasm files it globally under its whole name
    table = context.macros if context is not None else engine.single
    tokens = tuple(expansion) if alias else mark_parameters(expansion, parameters)
    entries = table.get(name.lower(), ())
    old = _defined(entries, name, len(parameters), case_sensitive)
    if old is not None and old.alias and not alias and not engine.ignore_aliases:
        if _following > 100:
            engine.error("macro alias loop")
            return
        define(
            engine,
            old.expansion[0][1],
            expansion,
            case_sensitive=case_sensitive,
            parameters=parameters,
            _following=_following + 1,
        )
        return
    macro = SingleLineMacro(name, tokens, parameters, case_sensitive, alias)
    if old is not None and _warn_shadowing(engine, old, macro):
        old = None
    engine.enter_single(table, name, macro, old)


def _defined(
    entries: tuple[SingleLineMacro, ...], name: str, count: int, case_sensitive: bool
) -> SingleLineMacro | None:
    for macro in entries:
        exact = macro.case_sensitive and case_sensitive
        if (macro.name == name if exact else macro.name.lower() == name.lower()) and (
            count <= 0
            or not macro.parameters
            or len(macro.parameters) == count
            or (macro.greedy and count >= len(macro.parameters) - 1)
        ):
            return macro
    return None


def _warn_shadowing(engine: Engine, old: SingleLineMacro, new: SingleLineMacro) -> bool:
    """Whether ``new`` stands beside ``old`` instead of replacing it; says so."""
    if new.case_sensitive != old.case_sensitive:
        kind, other = ("" if new.case_sensitive else "in"), ("" if old.case_sensitive else "in")
        engine.warn(
            "pp-macro-def-case-single",
            f"case {kind}sensitive definition of macro `{new.name}' will shadow {other}sensitive macro `{old.name}'",
        )
    elif bool(new.parameters) != bool(old.parameters):
        engine.error(
            f"macro `{new.name}' defined both with and without parameters",
            category="error=pp-macro-def-param-single",
        )
    elif len(old.parameters) < len(new.parameters):
        engine.warn(
            "pp-macro-def-greedy-single", f"defining macro `{new.name}' shadows previous greedy definition"
        )
    else:
        return False
    return True


def undefine(engine: Engine, name: str, *, aliases: bool, _following: int = 0) -> None:
    """``%undef`` and ``%undefalias``: remove every macro of that name."""
    context, name = engine.context_of(name) if name.startswith("%$") else (None, name)
    table = context.macros if isinstance(context, Context) else engine.single
    kept: list[SingleLineMacro] = []
    for macro in table.get(name.lower(), ()):
        if not macro.matches(name):
            kept.append(macro)
        elif macro.alias and not aliases:
            kept.append(macro)
            if _following >= 100:
                engine.error("macro alias loop")
            elif not engine.ignore_aliases:
                undefine(engine, macro.expansion[0][1], aliases=False, _following=_following + 1)
    if kept:
        table[name.lower()] = tuple(kept)
    else:
        table.pop(name.lower(), None)


def defined(engine: Engine, name: str, *, alias: bool) -> bool:
    """``%ifdef`` (``%ifdefalias``): whether the name is a macro; aliases are followed."""
    for _ in range(100):
        context, name = engine.context_of(name) if name.startswith("%$") else (None, name)
        table = context.macros if context is not None else engine.single
        macro = next((m for m in table.get(name.lower(), ()) if m.matches(name)), None)
        if macro is None or not macro.alias or alias:
            return macro is not None and macro.alias == alias
        if engine.ignore_aliases:
            return False
        name = macro.expansion[0][1]
    return False
