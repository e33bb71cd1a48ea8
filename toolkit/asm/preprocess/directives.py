"""Every directive but conditions: definitions, strings, repetition, files, contexts, messages (manual chapter 4).

``perform`` finds a line's directive in ``TABLE`` and calls its function with the tokens behind its name. A name with an ``i``
after the ``%`` is the same directive, letter case of the macro's name ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit.asm.preprocess import conditions, functions, single
from toolkit.asm.preprocess.engine import (
    MAX_CONTEXTS,
    MAX_INCLUDES,
    Definition,
    StackFrame,
    is_blank,
    number_text,
)
from toolkit.asm.preprocess.macros import Context, Invocation, MultiLineMacro, SingleLineTable, number_token
from toolkit.asm.preprocess.multi import captures_label, parse_specification
from toolkit.asm.preprocess.tokens import (
    BARE_STRING,
    IDENTIFIER,
    LOCAL_MACRO,
    OTHER,
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
from toolkit.asm.source import SourceError

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine

MAX_REPETITIONS = 1_000_000  # nasm's %rep limit


@dataclass(frozen=True, slots=True)
class Call:
    """One directive as written: the engine, the tokens behind its name, the name for messages."""

    engine: Engine
    tokens: Tokens
    name: str
    case_sensitive: bool

    def expanded(self, start: int = 0) -> list[Token]:
        return self.engine.expander.line(self.tokens[start:])

    def error(self, message: str) -> None:
        self.engine.error(message)

    def trailing(self, what: str = "") -> None:
        self.engine.warn(
            "pp-trailing", f"trailing garbage after {what or f'`{self.name}'} ignored".replace("' '", "'")
        )


Handler = Callable[[Call], "Sequence[Token] | None"]


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


def _identifier(call: Call) -> tuple[str, list[Token]] | None:
    """(the macro name a directive starts with, the tokens behind it); None after an error."""
    start = skip_white(call.tokens)
    line = call.engine.expander.name(call.tokens, start) if start < len(call.tokens) else []
    if not line or line[0][0] not in (IDENTIFIER, LOCAL_MACRO):
        call.error(f"`{call.name}' expects a macro identifier")
        return None
    return line[0][1], line[1:]


def _define(call: Call) -> None:
    found = _identifier(call)
    if found is None:
        return
    name, rest = found
    parameters, start = single.parse_template(call.engine, rest, 0)
    body: Sequence[Token] = rest[start:]
    if call.name.endswith("xdefine"):
        body = call.engine.expander.line(single.mark_parameters(body, parameters, PROTECTED_PARAMETER))
    single.define(call.engine, name, body, case_sensitive=call.case_sensitive, parameters=parameters)


def _define_alias(call: Call) -> None:
    found = _identifier(call)
    if found is None:
        return
    name, rest = found
    target = rest[skip_white(rest) :]
    if not target or target[0][0] not in (IDENTIFIER, LOCAL_MACRO):
        call.error(f"`{call.name}' expects a macro identifier to alias")
        return
    if not is_blank(target[1:]):
        call.engine.warn("pp-trailing", "trailing garbage after aliasing identifier ignored")
    single.define(call.engine, name, target[:1], case_sensitive=call.case_sensitive, alias=True)


def _undefine(call: Call) -> None:
    found = _identifier(call)
    if found is None:
        return
    if found[1]:
        call.engine.warn("pp-trailing", "trailing garbage after macro name ignored")
    single.undefine(call.engine, found[0], aliases=call.name == "%undefalias")


def _assign(call: Call) -> None:
    found = _identifier(call)
    if found is None:
        return
    value = call.engine.constant(call.engine.expander.line(found[1]), call.name)
    if value is not None:
        single.define(call.engine, found[0], (number_token(value),), case_sensitive=call.case_sensitive)


def _define_string(call: Call) -> None:
    found = _identifier(call)
    if found is None:
        return
    body = call.engine.expander.line(found[1])
    text = call.engine.text(body[skip_white(body) :])
    single.define(call.engine, found[0], ((STRING, quote(text)),), case_sensitive=call.case_sensitive)


def _with_string(make: Callable[[Call, str, list[Token]], Tokens | None]) -> Handler:
    """A directive of the form ``%name MACRO 'string' …``: ``make`` gets the string and what follows it."""

    def handle(call: Call) -> None:
        found = _identifier(call)
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
            single.define(call.engine, found[0], result, case_sensitive=call.case_sensitive)

    return handle


def _tokens_of_string(call: Call, text: str, rest: list[Token]) -> Tokens | None:
    return tokenize(text, call.engine.warn)


def _length(call: Call, text: str, rest: list[Token]) -> Tokens | None:
    return (number_token(len(text)),)


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
    found = _identifier(call)
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
    single.define(
        call.engine, found[0], ((STRING, quote("".join(parts))),), case_sensitive=call.case_sensitive
    )


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
    found = _identifier(call)
    if found is None:
        return
    name = _file_name(call, call.engine.expander.line(found[1]))
    if name is not None:
        path = call.engine.tree.find(name) if name else None
        expansion = ((STRING, quote(path or name)),)
        single.define(call.engine, found[0], expansion, case_sensitive=call.case_sensitive)


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


def _macro(call: Call) -> None:
    engine = call.engine
    spec = parse_specification(engine, call.tokens, call.name)
    if spec is None:
        return
    macro = MultiLineMacro(
        spec.name,
        spec.fewest,
        spec.most,
        call.case_sensitive,
        spec.greedy,
        spec.no_list,
        "rmacro" in call.name,
        spec.defaults,
        (),
        engine.file if not engine.quiet else "",
        engine.line,
    )
    for old in engine.multi.get(spec.name.lower(), ()):
        if old.name == spec.name and old.overlaps(spec.fewest, spec.most, spec.greedy):
            engine.warn("pp-macro-redef-multi", f"redefining multi-line macro `{spec.name}'")
            break
    engine.defining.append(Definition(macro, 0))


def _end_macro(call: Call) -> None:
    engine = call.engine
    if not engine.defining or not engine.defining[-1].macro.name:
        call.error(f"`{call.name}': not defining a macro")
        return
    definition = engine.defining.pop()
    body = tuple(definition.body)
    macro = replace(definition.macro, body=body, captures_label=captures_label(body))
    key = macro.name.lower()
    engine.multi[key] = (macro, *engine.multi.get(key, ()))


def _unmacro(call: Call) -> None:
    engine = call.engine
    spec = parse_specification(engine, call.tokens, call.name)
    if spec is None:
        return
    key = spec.name.lower()
    kept: list[MultiLineMacro] = []
    for macro in engine.multi.get(key, ()):
        same_name = macro.name == spec.name if call.case_sensitive else macro.name.lower() == key
        same = (
            macro.case_sensitive == call.case_sensitive
            and same_name
            and (macro.fewest, macro.most, macro.greedy) == (spec.fewest, spec.most, spec.greedy)
        )
        if same and engine.running.get(macro):
            engine.error("`%unmacro' can't undefine the macro being expanded")
            same = False
        if not same:
            kept.append(macro)
    if kept:
        engine.multi[key] = tuple(kept)
    else:
        engine.multi.pop(key, None)


def _exit(call: Call) -> None:
    """%exitmacro and %exitrep: everything up to the end of that body only closes conditions from here on."""
    named = call.name == "%exitmacro"
    passed: list[Invocation] = []
    invocation = call.engine.files[-1].invocation
    while invocation is not None:
        passed.append(invocation)
        if bool(invocation.macro.name) == named:
            for one in passed:
                one.ended = True
            return
        invocation = invocation.enclosing
    block = "macro" if named else "rep"
    call.error(f"`%exit{block}' not within `%{block}' block")


def _rotate(call: Call) -> None:
    engine = call.engine
    if is_blank(call.tokens):
        call.error(f"`{call.name}' missing rotate count")
        return
    value = engine.constant(call.expanded(), call.name)
    if value is None:
        return
    invocation = engine.files[-1].invocation
    target = invocation.macro_call if invocation is not None else None
    if target is None:
        call.error(f"`{call.name}' invoked outside a macro call")
    elif not target.count:
        call.error(f"`{call.name}' invoked within macro without parameters")
    else:
        target.rotation = (target.rotation + value) % target.count


def _repeat(call: Call) -> None:
    engine = call.engine
    start = skip_white(call.tokens)
    no_list = start < len(call.tokens) and call.tokens[start][1].lower() == ".nolist"
    if no_list:
        start = skip_white(call.tokens, start + 1)
    count = 0
    if start >= len(call.tokens):
        call.error(f"`{call.name}' expects a repeat count")
    else:
        value = engine.constant(call.expanded(start), call.name)
        if value is None:
            return
        if value > MAX_REPETITIONS:
            engine.error(
                f"`%rep' count {value} exceeds limit (currently {MAX_REPETITIONS})",
                f"%rep {value:,} is more than the {MAX_REPETITIONS:,} repetitions allowed",
                "for repeated data write `times COUNT db VALUE', or reserve space with resb COUNT",
            )
        elif value < 0:
            engine.warn("pp-rep-negative", f"negative `%rep' count: {value}")
        else:
            count = value
    body = MultiLineMacro("", 0, 0, True, False, no_list, False, (), (), engine.file, engine.line)
    engine.defining.append(Definition(body, count))


def _end_repeat(call: Call) -> None:
    engine = call.engine
    if not engine.defining or engine.defining[-1].macro.name:
        call.error("`%endrep': no matching `%rep'")
        return
    definition = engine.defining.pop()
    if definition.repeat:
        engine.enter_repetition(replace(definition.macro, body=tuple(definition.body)), definition.repeat)


def _context(call: Call) -> None:
    engine = call.engine
    start = skip_white(call.tokens)
    name: str | None = None
    if start < len(call.tokens):
        line = engine.expander.name(call.tokens, start)
        if line[0][0] != IDENTIFIER:
            call.error(f"`{call.name}' expects a context identifier")
            return
        if len(line) > 1:
            engine.warn("pp-trailing", f"trailing garbage after `{call.name}' ignored")
        name = line[0][1]
    if call.name == "%push":
        if len(engine.contexts) >= MAX_CONTEXTS:
            raise engine.fatal(
                "context stack overflow",
                f"%push was used {MAX_CONTEXTS:,} times without %pop",
                "each %push needs a %pop",
            )
        engine.contexts.append(Context(name, engine.unique))
        engine.unique += 1
    elif not engine.contexts:
        call.error(f"`{call.name}': context stack is empty")
    elif call.name == "%repl":
        engine.contexts[-1].name = name
    else:
        current = engine.contexts[-1].name
        if name is not None and (current is None or current.lower() != name.lower()):
            call.error(f"`{call.name}' in wrong context: {current or 'anonymous'}, expected {name}")
        else:
            engine.contexts.pop()


def _message(severity: str) -> Handler:
    def handle(call: Call) -> None:
        start = skip_white(call.tokens)
        line = call.engine.expander.line(call.tokens[start:])
        meaningful = [t for t in line if t[0] != WHITE]
        if len(meaningful) == 1 and meaningful[0][0] == STRING:
            text = unquote(meaningful[0][1])
        else:
            text = call.engine.text(line).strip()
        if severity == "fatal":
            raise call.engine.fatal(text, text or call.name)
        if severity == "warning":
            call.engine.warn("user", text)
        else:
            call.engine.error(text, text or call.name)

    return handle


def _line(call: Call) -> None:
    engine = call.engine
    source = engine.files[-1]
    if source.invocation is not None:
        return
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
    index = skip_white(tokens, index)
    if index < len(tokens):
        kind, text = tokens[index]
        engine.file = source.name = unquote(text) if kind == STRING else text_of(tokens[index:])
    physical = source.source.lines[source.position - 1][0]
    source.base_position, source.base_line, source.increment = physical, _integer(number), increment


def _integer(text: str) -> int:
    try:
        return int(text.replace("_", "")[:9], 0)
    except ValueError:
        return 0


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
    single.define(engine, name, tokenize(place))
    if local:
        assign = Call(engine, tokenize(f" %$localsize %$localsize+{size}"), "%assign", True)
        _assign(assign)


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


WITH_CASE: dict[str, Handler] = {
    "%define": _define,
    "%xdefine": _define,
    "%assign": _assign,
    "%defalias": _define_alias,
    "%defstr": _define_string,
    "%deftok": _with_string(_tokens_of_string),
    "%macro": _macro,
    "%rmacro": _macro,
    "%pathsearch": _path_search,
    "%strcat": _concatenate,
    "%strlen": _with_string(_length),
    "%substr": _with_string(_substring),
}
TABLE: dict[str, Handler] = WITH_CASE | {
    "%aliases": _aliases,
    "%arg": _stack_names,
    "%clear": _clear,
    "%depend": _depend,
    "%endm": _end_macro,
    "%endmacro": _end_macro,
    "%endrep": _end_repeat,
    "%error": _message("error"),
    "%exitmacro": _exit,
    "%exitrep": _exit,
    "%fatal": _message("fatal"),
    "%include": _include,
    "%line": _line,
    "%local": _stack_names,
    "%null": _nothing,
    "%pop": _context,
    "%pragma": _pragma,
    "%push": _context,
    "%rep": _repeat,
    "%repl": _context,
    "%require": _include,
    "%rotate": _rotate,
    "%stacksize": _stack_size,
    "%undef": _undefine,
    "%undefalias": _undefine,
    "%unmacro": _unmacro,
    "%use": _use,
    "%warning": _message("warning"),
}
