"""A directive as written, and what handles one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.asm.preprocess.tokens import IDENTIFIER, LOCAL_MACRO, Token, Tokens, skip_white

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine


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

    def identifier(self) -> tuple[str, list[Token]] | None:
        """(the macro name the directive starts with, the tokens behind it); None after an error."""
        start = skip_white(self.tokens)
        line = self.engine.expander.name(self.tokens, start) if start < len(self.tokens) else []
        if not line or line[0][0] not in (IDENTIFIER, LOCAL_MACRO):
            self.error(f"`{self.name}' expects a macro identifier")
            return None
        return line[0][1], line[1:]


Handler = Callable[[Call], "Sequence[Token] | None"]
