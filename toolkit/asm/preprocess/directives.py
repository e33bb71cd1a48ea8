"""Finding a line's directive, and those for files, packages, messages and options (manual 4.10 to 4.13).

``perform`` finds a line's directive in ``TABLE`` and calls its function with the tokens behind its name. A name with an ``i``
after the ``%`` is the same directive, letter case of the macro's name ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toolkit.asm.preprocess import blocks, conditions, define, definitions, functions
from toolkit.asm.preprocess.calls import Call, Handler
from toolkit.asm.preprocess.engine import Engine
from toolkit.asm.preprocess.macros import MultiLineMacro, SingleLineTable
from toolkit.asm.preprocess.state import MAX_INCLUDES, number_text
from toolkit.asm.preprocess.tokens import (
    BARE_STRING,
    BLANKS,
    IDENTIFIER,
    OTHER,
    STRING,
    WHITE,
    Token,
    Tokens,
    is_operator,
    quote,
    skip_white,
    text_of,
    unquote,
)
from toolkit.asm.source import SourceError


def perform(
    engine: Engine, tokens: Tokens, start: int, suppressed: bool
) -> tuple[bool, Sequence[Token] | None]:
    """(whether the line was a directive, what it gives the assembler)."""
    name = tokens[start][1].lower()
    rest = tokens[start + 1 :]
    invocation = engine.files[-1].invocation
    ended = invocation is not None and invocation.ended
    if engine.defining and not _ends_definition(engine, name):
        return False, None
    if not engine.defining:
        condition = conditions.split_name(name)
        if condition is not None:
            prefix, test, negated = condition
            after = rest[skip_white(rest) :]
            if prefix == "%if":
                conditions.begin(engine, name, test, negated, rest, suppressed, name)
            else:
                conditions.otherwise(engine, test, negated, after, ended, name)
            return True, None
        if name in ("%else", "%endif"):
            (conditions.alternative if name == "%else" else conditions.finish)(engine, rest)
            return True, None
        if suppressed:
            return False, None
    case_sensitive = True
    handler = TABLE.get(name)
    if handler is None and name.startswith("%i") and "%" + name[2:] in WITH_CASE:
        case_sensitive, handler = False, TABLE["%" + name[2:]]
    if handler is None and name == "%unimacro":
        case_sensitive, handler = False, TABLE["%unmacro"]
    if handler is None or (name in functions.NAMES and rest and is_operator(rest[0], "(")):
        return False, None
    return True, handler(Call(engine, rest, name, case_sensitive))


def _ends_definition(engine: Engine, name: str) -> bool:
    """Whether a directive inside a definition acts now; all others are part of the body being read."""
    definition = engine.defining[-1]
    if name in ("%macro", "%imacro", "%rmacro", "%irmacro"):
        definition.nested_macros += 1
        return False
    if name in ("%endmacro", "%endm"):
        if definition.nested_macros:
            definition.nested_macros -= 1
            return False
        return True
    if not definition.macro.name:
        if name == "%rep":
            definition.nested_repeats += 1
            return False
        if name == "%endrep":
            if definition.nested_repeats:
                definition.nested_repeats -= 1
                return False
            return True
    return False


def _file_name(call: Call, tokens: Sequence[Token]) -> str | None:
    index = skip_white(tokens)
    if index >= len(tokens) or tokens[index][0] not in (STRING, BARE_STRING):
        call.error(f"`{call.name}' expects a file name")
        return None
    if index + 1 < len(tokens):
        call.engine.warn("pp-trailing", f"trailing garbage after `{call.name}' ignored")
    kind, text = tokens[index]
    return unquote(text) if kind == STRING else text


def _path_search(call: Call) -> None:
    found = call.identifier()
    if found is None:
        return
    name = _file_name(call, call.engine.expander.line(found[1]))
    if name is not None:
        path = call.engine.tree.find(name) if name else None
        expansion = ((STRING, quote(path or name)),)
        define.define(call.engine, found[0], expansion, case_sensitive=call.case_sensitive)


def _depend(call: Call) -> None:
    name = _file_name(call, call.expanded())
    if name is not None:
        call.engine.dependencies.append(name)


def _include(call: Call) -> None:
    engine = call.engine
    name = _file_name(call, call.expanded())
    if name is None:
        return
    if len(engine.files) > MAX_INCLUDES:
        raise engine.fatal(
            f"too many nested include files (`{name}')",
            f"`{name}' is included more than {MAX_INCLUDES} files deep",
            "does the file include itself, perhaps through another one? Guard its text: %ifndef NAME, %define NAME … %endif",
        )
    try:
        source = engine.tree.read(name)
    except SourceError as error:
        missing = f"unable to open include file `{name}': No such file or directory"
        engine.error(missing if "no file" in error.message else error.nasm_message, error.message, error.help)
        return
    if call.name == "%require" and source.name in engine.included:
        return
    engine.included.add(source.name)
    engine.open_file(source, source.name)


def _use(call: Call) -> None:
    engine = call.engine
    name = conditions.package_name(engine, call.tokens, call.name)
    if name is None:
        return
    if name not in engine.packages:
        known = ", ".join(engine.packages)
        engine.error(
            f"unknown `%use' package: `{name}'",
            f"there is no macro package `{name}'",
            f"nasm's packages are {known}",
        )
    elif name not in engine.used_packages:
        engine.used_packages.add(name)
        from toolkit.asm.preprocess.standard import package_lines

        body = package_lines(tuple(engine.packages[name]))
        package = MultiLineMacro("", 0, 0, True, False, True, False, (), body, "", 0)
        engine.enter_repetition(package, 1)


def _message(severity: str) -> Handler:
    def handle(call: Call) -> None:
        start = skip_white(call.tokens)
        line = call.engine.expander.line(call.tokens[start:])
        meaningful = [t for t in line if t[0] != WHITE]
        if len(meaningful) == 1 and meaningful[0][0] == STRING:
            text = unquote(meaningful[0][1])
        else:
            text = call.engine.text(line).strip(BLANKS)
        if severity == "fatal":
            raise call.engine.fatal(text, text or call.name)
        if severity == "warning":
            call.engine.warn("user", text)
        else:
            call.engine.error(text, text or call.name)

    return handle


def mark_line(engine: Engine, tokens: Tokens, name: str) -> None:
    """`# NUMBER FILE`, as compilers leave it in a file, or %line: they act as they are read, and not in a macro's output."""
    _line(Call(engine, tokens, name, True))


def _line(call: Call) -> None:
    engine = call.engine
    source = engine.files[-1]
    tokens = call.tokens
    index = skip_white(tokens)
    number = number_text(tokens, index)
    if number is None:
        call.error(f"`{call.name}' expects a line number")
        return
    increment = 1
    index += 1
    if index < len(tokens) and tokens[index][1] in ("+", "-"):
        step = number_text(tokens, index + 1)
        if step is None:
            call.error(f"`{call.name}' expects a line increment")
            return
        increment = _integer(step) * (-1 if tokens[index][1] == "-" else 1)
        index += 2
    if source.invocation is not None:
        return
    index = skip_white(tokens, index)
    if index < len(tokens):
        kind, text = tokens[index]
        closed = kind == STRING and len(text) > 1 and text[0] == text[-1]
        engine.file = source.name = unquote(text) if closed else text_of(tokens[index:])
    physical = source.source.lines[source.position - 1][0]
    source.base_position, source.base_line, source.increment = physical, _integer(number), increment


def _integer(text: str) -> int:
    try:
        return int(text.replace("_", "")[:9], 0)
    except ValueError:
        digits = re.match("[0-9]*", text)
        return int(digits.group()[:9] or "0") if digits else 0


def _pragma(call: Call) -> Sequence[Token] | None:
    line = call.expanded()
    line = line[skip_white(line) :]
    if not line or line[0][0] != IDENTIFIER:
        return None
    if line[0][1].lower() == "preproc":
        option = skip_white(line, 1)
        if option < len(line) and line[option][1].lower() == "sane_empty_expansion":
            call.engine.sane_empty_expansion = _boolean(
                call, line[option + 1 :], call.engine.sane_empty_expansion
            )
        return None
    return [(OTHER, "["), (IDENTIFIER, "pragma"), (WHITE, " "), *line, (OTHER, "]")]


def _boolean(call: Call, tokens: Sequence[Token], default: bool) -> bool:
    words = [t for t in tokens if t[0] != WHITE]
    if not words:
        return True
    if words[0][0] == IDENTIFIER and words[0][1].lower() in ("yes", "true", "on", "no", "false", "off"):
        return words[0][1].lower() in ("yes", "true", "on")
    result = call.engine.evaluate_tokens(tokens)
    if result is None:
        return True
    if result[0] is None:
        call.error("boolean flag expression must be a constant")
        return default
    return result[0] != 0


def _aliases(call: Call) -> None:
    call.engine.ignore_aliases = not _boolean(call, call.expanded(), not call.engine.ignore_aliases)


_CLEARS = {
    "all": (True, True, True),
    "define": (True, False, False), "def": (True, False, False), "smacro": (True, False, False),
    "defalias": (False, True, False), "alias": (False, True, False), "salias": (False, True, False),
    "alldef": (True, True, False), "alldefine": (True, True, False),
    "macro": (False, False, True), "mmacro": (False, False, True),
    "nothing": (False, False, False), "none": (False, False, False), "ignore": (False, False, False),
}  # fmt: skip


def _clear(call: Call) -> None:
    engine = call.engine
    words = [t for t in call.expanded() if t[0] != WHITE]
    if not words:
        _clear_tables(engine, (True, False, True), in_context=False)
    in_context = False
    for position, (kind, text) in enumerate(words):
        word = text.lower()
        if kind != IDENTIFIER:
            engine.warn("pp-trailing", f"trailing garbage after `{call.name}' ignored")
            return
        if word in ("context", "ctx", "global"):
            in_context = word != "global"
        elif word in _CLEARS:
            _clear_tables(engine, _CLEARS[word], in_context=in_context)
        else:
            engine.error(f"invalid option to {call.name}: {words[position][1]}")
            return


def _clear_tables(engine: Engine, what: tuple[bool, bool, bool], *, in_context: bool) -> None:
    defines, aliases, macros = what
    tables: list[SingleLineTable] = [c.macros for c in engine.contexts] if in_context else [engine.single]
    for table in tables:
        for key in list(table):
            kept = tuple(m for m in table[key] if not (aliases if m.alias else defines))
            if kept:
                table[key] = kept
            else:
                del table[key]
    if macros and not in_context:
        engine.multi.clear()


def _nothing(call: Call) -> None:
    call.expanded()


WITH_CASE: dict[str, Handler] = {**definitions.WITH_CASE, **blocks.WITH_CASE, "%pathsearch": _path_search}
TABLE: dict[str, Handler] = {
    **WITH_CASE,
    **definitions.TABLE,
    **blocks.TABLE,
    "%aliases": _aliases,
    "%clear": _clear,
    "%depend": _depend,
    "%error": _message("error"),
    "%fatal": _message("fatal"),
    "%include": _include,
    "%line": _line,
    "%null": _nothing,
    "%pragma": _pragma,
    "%require": _include,
    "%use": _use,
    "%warning": _message("warning"),
}
