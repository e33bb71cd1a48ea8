"""The preprocessor's messages in words for a student: (nasm's wording as a pattern, message, help)."""

from __future__ import annotations

import re

_TABLE: tuple[tuple[str, str, str], ...] = (
    (
        r"`#' expects a line (?:number|increment)",
        "`#' at the start of a line tells nasm a line number, as compilers write it; it begins no comment",
        "start comments with a semicolon: ; like this",
    ),
    (
        r"multi-line macro `(?P<name>[^']*)' exists, but not taking (?P<count>\d+) parameters?",
        "the macro `{name}' is called with {count} argument(s), but it doesn't take that many",
        "look at the number behind its name in the %macro line, and give as many, with commas between them",
    ),
    (
        r"single-line macro `(?P<name>[^']*)' exists, but not taking (?P<count>\d+) parameters?",
        "the macro `{name}' is called with {count} argument(s), but it doesn't take that many",
        "look at the parameters in its %define line",
    ),
    (
        r"end of (?:file|input) while still defining macro `(?P<name>[^']*)'",
        "the macro `{name}' has no `%endmacro'",
        "write %endmacro on a line of its own after the macro's last line",
    ),
    (
        r"unable to open include file `(?P<name>[^']*)'.*",
        "there is no file `{name}' beside the source or in an -I folder",
        "check the spelling and the letter case of the name, and that the file is in the same folder",
    ),
    (
        r"expected `%endif' before end of file",
        "an %if of this file is never closed",
        "write %endif where the conditional part ends",
    ),
    (
        r"`%(?P<name>endif|else|elif\w*)': no matching `%if'",
        "this `%{name}' belongs to no %if",
        "remove it, or write the %if it should close",
    ),
    (
        r"`%(?P<name>else|elif\w*)' after `%else', ignoring content",
        "this `%{name}' comes after the %else of the same %if; what follows it is skipped",
        "an %if has one %else, and every %elif stands before it",
    ),
    (
        r"`(?P<name>%\S*)': not in a macro call",
        "`{name}' means something only inside a %macro … %endmacro",
        "arguments (%1) and local labels (%%name) belong into a macro's body",
    ),
    (
        r"`(?P<name>%endm\w*)': not defining a macro",
        "this `{name}' belongs to no %macro",
        "remove it, or write the %macro it should close",
    ),
    (
        r"`%endrep': no matching `%rep'",
        "this `%endrep' belongs to no %rep",
        "remove it, or write the %rep it should close",
    ),
    (
        r"`%exit(?P<name>rep|macro)' not within `%\w+' block",
        "`%exit{name}' can be used only inside a %{name}",
        "remove it, or move it into the block it should leave",
    ),
    (
        r"redefining multi-line macro `(?P<name>[^']*)'",
        "the macro `{name}' is defined twice for the same number of arguments; the newer one counts",
        "rename one of them, or remove the old one with %unmacro",
    ),
    (
        r"`(?P<name>%\w+)' expects a macro (?:name|identifier)",
        "`{name}' must be followed by a name",
        "write for example: {name} NAME …",
    ),
    (
        r"`(?P<name>%\w+)' expects a parameter count",
        "behind the macro's name `{name}' needs the number of its arguments",
        "write for example: {name} NAME 2 (0 for a macro without arguments)",
    ),
    (
        r"`(?P<name>%\w+)' expects a file name",
        "the name of a file must stand in quotes behind `{name}'",
        'write for example: {name} "file.inc"',
    ),
    (
        r"unknown `%use' package: `(?P<name>[^']*)'",
        "there is no macro package `{name}'",
        "nasm's packages are altreg, smartalign, fp, ifunc and masm",
    ),
    (
        r"`(?P<name>%\S+)': context stack is (?:empty|only .*)",
        "`{name}' belongs to a context, but no %push is in force here",
        "open a context with %push before it",
    ),
    (
        r"macro parameter `(?P<name>[^']*)' is not a condition code",
        "`{name}' needs a condition such as z, nz, l or ae as its argument",
        "call the macro with a condition code",
    ),
    (
        r"non-constant value given to `(?P<name>%\w+)'",
        "`{name}' needs a number that is known while assembling, and this one depends on where code will be placed",
        "use numbers, equ constants, or the difference of two labels of one section",
    ),
    (
        r"trailing garbage after (?P<name>.*) ignored",
        "what follows {name} on this line is ignored",
        "remove it, or put a semicolon before it if it is a comment",
    ),
    (
        r"single-line macro `(?P<name>[^']*)' defined both with and without parameters",
        "`{name}' is defined with arguments and without",
        "choose another name for one of them",
    ),
    (
        r"macro `(?P<name>[^']*)' defined both with and without parameters",
        "`{name}' is defined with arguments and without",
        "choose another name for one of them",
    ),
    (
        r"unterminated string \(missing `(?P<name>.)'\)",
        "a string opened with {name} is not closed on this line",
        "write {name} at its end; for a quote inside a string use the other kind around it",
    ),
    (
        r"unterminated %(?P<name>.)\.\.\.(?P<close>.) construct \(missing `.'\)",
        "`%{name}' is not closed on this line",
        "write the {close} where it ends",
    ),
    (
        r"macro call expects terminating `\)'",
        "the ( of a macro call is never closed",
        "write the ) behind its last argument",
    ),
    (
        r"nonexistent environment variable `(?P<name>[^']*)'",
        "there is no environment variable `{name}'; it counts as empty",
        "test for it with %ifenv {name}",
    ),
    (
        r"dropping trailing empty (?P<name>.*)",
        "the comma at the end of the line has nothing behind it; the empty argument is dropped",
        "remove the comma",
    ),
    (
        r"symbol references not supported in preprocess-only mode",
        "labels have no value while only the preprocessor runs",
        "",
    ),
    (
        r"division by zero",
        "the expression divides by zero",
        "change the divisor: it is worked out while assembling",
    ),
)
MESSAGES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple((re.compile(p), m, h) for p, m, h in _TABLE)
