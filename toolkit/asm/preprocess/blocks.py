"""Directives that begin, end and leave blocks: macros, repetitions, contexts (manual 4.5, 4.7, 4.9)."""

from __future__ import annotations

from dataclasses import replace

from toolkit.asm.preprocess.calls import Call, Handler
from toolkit.asm.preprocess.macros import Context, Invocation, MultiLineMacro
from toolkit.asm.preprocess.multi import captures_label, parse_specification
from toolkit.asm.preprocess.state import MAX_CONTEXTS, Definition, is_blank
from toolkit.asm.preprocess.tokens import IDENTIFIER, skip_white

MAX_REPETITIONS = 1_000_000  # nasm's %rep limit


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


WITH_CASE: dict[str, Handler] = {"%macro": _macro, "%rmacro": _macro}
TABLE: dict[str, Handler] = {
    "%endm": _end_macro,
    "%endmacro": _end_macro,
    "%endrep": _end_repeat,
    "%exitmacro": _exit,
    "%exitrep": _exit,
    "%pop": _context,
    "%push": _context,
    "%rep": _repeat,
    "%repl": _context,
    "%rotate": _rotate,
    "%unmacro": _unmacro,
}
