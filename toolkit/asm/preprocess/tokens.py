"""The preprocessor's tokens: cutting a line into them, joining them again, and quoting strings.

A token is a pair (kind, text). Kinds from ``PARAMETER`` on stand for parameter number ``kind - PARAMETER`` inside the
expansion of a single-line macro. What counts as one token follows nasm 2.16.01 (manual section 3.1 and 4.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

Token = tuple[int, str]
Tokens = tuple[Token, ...]
Warn = Callable[[str, str], None]  # (nasm's warning class, its message)

(
    WHITE,
    IDENTIFIER,
    DIRECTIVE,  # %name
    MACRO_PARAMETER,  # %1 %0 %+1 %{1:3}
    LOCAL_LABEL,  # %%name
    LOCAL_MACRO,  # %$name
    ENVIRONMENT,  # %!NAME
    STRING,
    NUMBER,
    FLOAT,
    OTHER,
    BARE_STRING,  # contents of a string, already unquoted
    NAME_AS_CALLED,  # %?
    NAME_AS_DEFINED,  # %??
    SINGLE_NAME_AS_CALLED,  # %*?
    SINGLE_NAME_AS_DEFINED,  # %*??
    PASTE,  # %+
    CONDITIONAL_COMMA,  # %,
    INDIRECT,  # %[...]
    PROTECTED_PARAMETER,  # a parameter name while %xdefine expands the rest
) = range(20)
PARAMETER = 32

BLANKS = " \t\n\v\f\r"  # Python's own idea of blanks would take in bytes of UTF-8 letters
SPACE: Token = (WHITE, " ")
COMMA: Token = (OTHER, ",")

_ID_START = r"A-Za-z_.?@\x80-\xff"
_ID = r"A-Za-z0-9_.?@$#~\x80-\xff"
_LEXER = re.compile(
    rf"(?P<white>[ \t\n\v\f\r]+)"
    rf"|(?P<identifier>(?!\?(?![{_ID}]))\$?[{_ID_START}][{_ID}]*)"
    rf"|(?P<string>'[^']*'|\"[^\"]*\"|`(?:[^`\\]|\\.)*`)"
    rf"|(?P<number>(?:0[xX][0-9A-Fa-f_]+|[0-9]+)(?![A-Za-z0-9_.]))"
    rf"|(?P<other>>>>|>>|>=|<<<|<<|<=>|<=|<>|!=|//|==|&&|\|\||\^\^|\$\$|[^ \t\n\v\f\r%;'\"`0-9$])"
)
_KINDS = {"white": WHITE, "identifier": IDENTIFIER, "string": STRING, "number": NUMBER, "other": OTHER}
_WORDS = re.compile(
    rf"'[^']*'|\"[^\"]*\"|`(?:[^`\\]|\\.)*`|(?P<empty>0[xX](?![0-9A-Za-z_.]))|[0-9][0-9A-Za-z_]*|(?P<word>\$?[{_ID_START}][{_ID}]*)|(?P<end>;.*)|(?P<open>['\"`])"
)
_ID_RUN = re.compile(rf"[{_ID}]+")
_DIGITS = frozenset("0123456789")
_NUMBER_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_MAX_CACHED_LINES = 60_000


def _silent(category: str, message: str) -> None:
    """A ``Warn`` that drops everything."""


def tokenize(line: str, warn: Warn = _silent) -> Tokens:
    """Cut one line into tokens. Comments and trailing blanks are dropped, each run of blanks becomes one space."""
    tokens: list[Token] = []
    position, end = 0, len(line)
    match = _LEXER.match
    while position < end:
        found = match(line, position)
        if found is not None:
            kind = _KINDS[found.lastgroup or ""]
            position = found.end()
            if kind == WHITE:
                if position == end or line[position] == ";":
                    break
                tokens.append(SPACE)
            else:
                tokens.append((kind, found.group()))
            continue
        character = line[position]
        if character == ";":
            break
        if character == "%":
            token, position = _percent_token(line, position, warn)
        elif character in "'\"`":
            warn("pp-open-string", f"unterminated string (missing `{character}')")
            token, position = (STRING, line[position:]), end
        else:
            token, position = _number_token(line, position)
        if token is not None:
            tokens.append(token)
    return tuple(tokens)


_cached_tokens: dict[str, Tokens] = {}


def tokenize_cached(line: str, warn: Warn = _silent) -> Tokens:
    """``tokenize`` remembering lines that gave no warning."""
    tokens = _cached_tokens.get(line)
    if tokens is not None:
        return tokens
    warned: list[str] = []

    def note(category: str, message: str) -> None:
        warned.append(category)
        warn(category, message)

    tokens = tokenize(line, note)
    if not warned and len(line) < 400:
        if len(_cached_tokens) > _MAX_CACHED_LINES:
            _cached_tokens.clear()
        _cached_tokens[line] = tokens
    return tokens


PlainLine = tuple[str, frozenset[str], bool]
_cached_lines: dict[str, PlainLine | None] = {}


def plain_line(line: str) -> PlainLine | None:
    """(the line without its comment, the words in it in lower case, whether a ``0x`` without digits is in it).

    None if it must be looked at token by token.
    A line none of whose words names a macro is passed on as it stands: that is what makes ordinary programs fast.
    """
    try:
        return _cached_lines[line]
    except KeyError:
        pass
    result = _plain_line(line)
    if len(line) < 400:
        if len(_cached_lines) > _MAX_CACHED_LINES:
            _cached_lines.clear()
        _cached_lines[line] = result
    return result


def _plain_line(line: str) -> PlainLine | None:
    if "%" in line or line.startswith("#"):
        return None
    words: set[str] = set()
    cut = len(line)
    empty = False
    for found in _WORDS.finditer(line):
        group = found.lastgroup
        if group == "word":
            words.add(found.group().lower())
        elif group == "end":
            cut = found.start()
        elif group == "empty":
            empty = True
        elif group == "open":
            return None
    return line[:cut].rstrip(BLANKS), frozenset(words), empty


def _skip_string(line: str, position: int) -> int:
    """The position after the string that opens at ``position``; the line's length when it never closes."""
    quote = line[position]
    if quote != "`":
        close = line.find(quote, position + 1)
        return len(line) if close < 0 else close + 1
    position += 1
    while position < len(line) and line[position] != "`":
        position += 2 if line[position] == "\\" else 1
    return min(position + 1, len(line))


def _percent_token(line: str, start: int, warn: Warn) -> tuple[Token | None, int]:
    """The token that the ``%`` at ``start`` begins, and where it ends."""
    end = len(line)
    position = start + 1
    after = line[position : position + 2]
    first = after[:1]
    if first == "{" or first == "[":
        return _bracketed_token(line, start, warn)
    if first == "+" and after[1:] not in _DIGITS:
        position += 1
    elif first in _DIGITS or (first in ("-", "+") and after[1:] in _DIGITS and after[1:]):
        position += 1
        while position < end and line[position] in _DIGITS:
            position += 1
    elif first == "?" or after == "*?":
        position += len(after) if after == "*?" else 1
        if line.startswith("?", position):
            position += 1
    elif first == "!":
        position = _environment_end(line, position + 1, warn)
    elif first == ",":
        position += 1
    else:
        run = _ID_RUN.match(line, position + 1 if first in ("%", "$") else position)
        if run:
            position = run.end()
        elif first == "%":
            position += 1
    return (classify(line[start:position], warn), position)


def _environment_end(line: str, position: int, warn: Warn) -> int:
    run = _ID_RUN.match(line, position)
    if run:
        return run.end()
    if position < len(line) and line[position] in "'\"`":
        close = _skip_string(line, position)
        if line[close - 1] != line[position] or close == position + 1:
            warn("error", "unterminated %! string")
        return close
    return position


def _bracketed_token(line: str, start: int, warn: Warn) -> tuple[Token | None, int]:
    """``%{...}``, which stands for any other % token, and ``%[...]``."""
    opening = line[start + 1]
    closing = "}" if opening == "{" else "]"
    position, depth = start + 2, 1
    while position < len(line):
        character = line[position]
        if character == opening:
            depth += 1
        elif character == closing:
            depth -= 1
            if not depth:
                break
        elif character in "'\"`":
            position = _skip_string(line, position)
            continue
        position += 1
    if depth:
        warn("pp-open-brackets", f"unterminated %{opening}...{closing} construct (missing `{closing}')")
    inside = line[start + 2 : position]
    if opening == "[":
        return (INDIRECT, inside), position + 1
    if not inside:
        warn("pp-empty-braces", "empty %{} construct expands to the % operator")
    return classify("%" + inside, warn), position + 1


_FIXED = {
    "%": OTHER,
    "%%": OTHER,
    "%$": OTHER,
    "%!": OTHER,
    "%+": PASTE,
    "%,": CONDITIONAL_COMMA,
    "%?": NAME_AS_CALLED,
    "%??": NAME_AS_DEFINED,
    "%*?": SINGLE_NAME_AS_CALLED,
    "%*??": SINGLE_NAME_AS_DEFINED,
}
_BY_SECOND = {"+": MACRO_PARAMETER, "-": MACRO_PARAMETER, ":": MACRO_PARAMETER} | {
    "!": ENVIRONMENT,
    "%": LOCAL_LABEL,
    "$": LOCAL_MACRO,
}


def classify(text: str, warn: Warn = _silent) -> Token:
    """The token whose spelling, braces removed, is ``text`` (which begins with ``%``)."""
    if text in _FIXED:
        return (_FIXED[text], text)
    second = text[1]
    if second in _DIGITS:
        return (MACRO_PARAMETER, text)
    if second == "[":
        return (INDIRECT, text[2:])
    kind = _BY_SECOND.get(second)
    if kind is not None and (len(text) > 2 or second in "-:"):
        return (kind, text)
    if len(text) > 2 or _ID_RUN.fullmatch(second):
        return (DIRECTIVE, text)
    return (OTHER, text)


def _number_token(line: str, start: int) -> tuple[Token, int]:
    """The number, float, ``$`` or ``$$`` at ``start`` (nasm takes letters into a number as long as they could belong)."""
    position = start
    hexadecimal = is_float = exponent = False
    if line[position] == "$":
        position += 1
        hexadecimal = True
        if position >= len(line) or (line[position] not in _NUMBER_CHARACTERS and line[position] != "."):
            return (OTHER, "$"), position
    while position < len(line):
        character = line[position]
        following = line[position + 1 : position + 2]
        if not hexadecimal and character in "eE":
            exponent = True
            if following and following in "+-":
                position += 1
                is_float = True
        elif character in "hHxX":
            hexadecimal = True
        elif character in "pP":
            is_float = True
            if following and following in "+-":
                position += 1
        elif character == ".":
            rest = line[position + 1 :].lstrip("_")[:1]
            digits = (
                rest in _DIGITS
                or (hexadecimal and rest in "abcdefABCDEF")
                or (not hexadecimal and rest in "eE")
            )
            if not rest or not (digits or rest in "pP"):
                break
            while line[position + 1] == "_":
                position += 1
            is_float = True
        elif character not in _NUMBER_CHARACTERS:
            break
        position += 1
    if position == start + 1 and line[start] == "$":
        return (OTHER, "$"), position
    if position == start:
        return (OTHER, line[start]), start + 1
    is_float = is_float or (exponent and not hexadecimal)
    return (FLOAT if is_float else NUMBER, line[start:position]), position


def text_of(tokens: Iterable[Token]) -> str:
    """The tokens side by side, nothing expanded."""
    return "".join([f"%[{text}]" if kind == INDIRECT else text for kind, text in tokens])


def skip_white(tokens: Sequence[Token], start: int = 0) -> int:
    """The index of the first token from ``start`` on that is not a space."""
    while start < len(tokens) and tokens[start][0] == WHITE:
        start += 1
    return start


def is_operator(token: Token | None, text: str) -> bool:
    """Whether the token is the operator ``text``."""
    return token is not None and token[1] == text and token[0] == OTHER


_QUOTED_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "e"}
_ESCAPES = {letter: chr(code) for code, letter in _QUOTED_ESCAPES.items()}
_OCTAL = re.compile(r"[0-7]{1,3}")
_HEX = {
    "x": re.compile(r"[0-9a-fA-F]{1,2}"),
    "u": re.compile(r"[0-9a-fA-F]{1,4}"),
    "U": re.compile(r"[0-9a-fA-F]{1,8}"),
}


def quote(text: str) -> str:
    """``text`` as a nasm string: single quotes, else double, else backquotes with escapes (manual section 3.4.1)."""
    printable = all(" " <= character <= "~" for character in text)
    if printable and "'" not in text:
        return f"'{text}'"
    if printable and '"' not in text:
        return f'"{text}"'
    parts: list[str] = []
    for index, character in enumerate(text):
        code = ord(character)
        if character in "`\\":
            parts.append("\\" + character)
        elif " " <= character <= "~":
            parts.append(character)
        elif code in _QUOTED_ESCAPES:
            parts.append("\\" + _QUOTED_ESCAPES[code])
        else:
            digit_follows = text[index + 1 : index + 2] in tuple("01234567")
            parts.append(f"\\{code:03o}" if digit_follows else f"\\{code:o}")
    return "`" + "".join(parts) + "`"


def unquote(text: str) -> str:
    """The contents of a quoted string; text that is not quoted, or whose quote never closes, as nasm leaves it."""
    if len(text) < 2 or text[0] not in "'\"`":
        return text[1:] if text[:1] in ("'", '"', "`") else text
    body = text[1:-1] if text[-1] == text[0] else text[1:]
    return _unescape(body) if text[0] == "`" and "\\" in body else body


def _unescape(body: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(body):
        slash = body.find("\\", position)
        if slash < 0 or slash + 1 >= len(body):
            parts.append(body[position:])
            break
        parts.append(body[position:slash])
        letter = body[slash + 1]
        position = slash + 2
        octal = _OCTAL.match(body, slash + 1)
        if octal:
            parts.append(chr(int(octal.group(), 8) & 0xFF))
            position = octal.end()
        elif letter in _HEX:
            digits = _HEX[letter].match(body, position)
            parts.append(_code_point(int(digits.group(), 16), letter) if digits else letter)
            position = digits.end() if digits else position
        else:
            parts.append(_ESCAPES.get(letter, letter))
    return "".join(parts)


def _code_point(code: int, letter: str) -> str:
    """``\\x`` gives a byte, ``\\u`` and ``\\U`` the UTF-8 bytes of a code point (latin-1 transparent)."""
    if letter == "x":
        return chr(code)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return chr(code).encode("utf-8").decode("latin-1")
