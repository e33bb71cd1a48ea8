"""Pasting tokens together: around ``%+``, and where macros left two halves of a name side by side (nasm's paste_tokens())."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.asm.preprocess.tokens import (
    DIRECTIVE,
    ENVIRONMENT,
    FLOAT,
    IDENTIFIER,
    LOCAL_MACRO,
    NUMBER,
    OTHER,
    PASTE,
    SPACE,
    WHITE,
    Token,
    tokenize,
)

NAME_PARTS = frozenset((IDENTIFIER, DIRECTIVE, LOCAL_MACRO, NUMBER))
JOINS_WORDS = ((frozenset((IDENTIFIER, LOCAL_MACRO, ENVIRONMENT, DIRECTIVE)), NAME_PARTS | {ENVIRONMENT}),)
JOINS_PARAMETERS = (
    (frozenset((IDENTIFIER, FLOAT)), frozenset((IDENTIFIER, NUMBER, FLOAT, OTHER))),
    (frozenset((NUMBER,)), frozenset((NUMBER,))),
)
Joins = tuple[tuple[frozenset[int], frozenset[int]], ...]
Warn = Callable[[str, str], None]

_BLANK = frozenset((WHITE, PASTE))


def paste(line: list[Token], joins: Joins, warn: Warn, *, explicit: bool) -> tuple[list[Token], bool]:
    """(the line with tokens joined, whether any was).

    Around ``%+`` when ``explicit``; and runs that begin with a kind and go on with kinds that a pair of ``joins`` names.
    """
    if not _may_paste(line, joins):
        return line, False
    paster = _Paster(line, joins, warn)
    paster.run(explicit)
    return paster.out, paster.pasted


class _Paster:
    """One walk over a line. ``todo`` is what is ahead, reversed; ``left`` the index in ``out`` of what ``%+`` would paste to.

    nasm moves ``left`` on only when it looks ahead and sees a token, so that it stays behind after a join;
    and where a line begins with ``%+`` there is nothing on the left, even behind the first word.
    """

    def __init__(self, line: list[Token], joins: Joins, warn: Warn) -> None:
        self.todo = line[::-1]
        self.out: list[Token] = []
        self.left = None if line[0][0] in _BLANK else 0
        self.joins = joins
        self.warn = warn
        self.pasted = False

    def run(self, explicit: bool) -> None:
        todo, out = self.todo, self.out
        while todo:
            token = todo.pop()
            if not todo:  # nasm leaves the last token alone, even a %+
                out.append(token)
            elif token[0] == WHITE:
                while todo and todo[-1][0] == WHITE:
                    todo.pop()
                self._keep(token)
            elif token[0] == PASTE and explicit:
                self.pasted = True
                self._around_operator(token)
            else:
                self._implicitly(token)

    def _keep(self, token: Token) -> None:
        self.out.append(token)
        if self.todo and self.todo[-1][0] not in _BLANK:
            self.left = len(self.out)

    def _around_operator(self, operator: Token) -> None:
        """Paste what is left and right of operators; without a right side they are dropped, and what is blank with them."""
        todo, out = self.todo, self.out
        if self.left is None:
            # Where a word stands before the operator all the same, nasm would never come to an end.
            self.left = next((index for index, token in enumerate(out) if token[0] not in _BLANK), None)
        kept = 0 if self.left is None else self.left + 1
        todo.append(operator)
        todo.extend(reversed(out[kept:]))
        del out[kept:]
        while todo and todo[-1][0] in _BLANK:
            todo.pop()
        if todo and out:
            todo.extend(reversed(tokenize(out.pop()[1] + todo.pop()[1], self.warn) or (SPACE,)))

    def _implicitly(self, token: Token) -> None:
        joined = _joined(token, self.todo, self.joins)
        if joined is None:
            self._keep(token)
            return
        self.pasted = True
        for number, part in enumerate(tokenize(joined, self.warn)):
            if number and part[0] not in _BLANK:
                self.left = len(self.out)
            self.out.append(part)


_NEVER_MERGE = frozenset(",[](){}*:+-")  # operators that stay tokens of their own whatever stands beside them


def _may_paste(line: list[Token], joins: Joins) -> bool:
    """Whether ``paste`` could change anything: usually it can't, and then it need not cut text into tokens again."""
    previous, before = -1, ""
    for kind, text in line:
        if kind == PASTE or (kind == WHITE and previous == WHITE):
            return True
        if kind != WHITE and previous != WHITE and previous >= 0:
            apart = (previous == OTHER and before in _NEVER_MERGE) or (
                kind == OTHER and text in _NEVER_MERGE and (previous == IDENTIFIER or text not in "+-")
            )
            if not apart and (previous == OTHER or any(previous in h and kind in t for h, t in joins)):
                return True
        previous, before = kind, text
    return False


def _joined(token: Token, todo: list[Token], joins: Joins) -> str | None:
    """The text of ``token`` and the tokens that join it, taken off ``todo``; None when nothing joins."""
    for heads, tails in joins:
        if token[0] in heads:
            parts = [token[1]]
            while todo and todo[-1][0] in tails:
                parts.append(todo.pop()[1])
            return "".join(parts) if len(parts) > 1 else None
    return None
