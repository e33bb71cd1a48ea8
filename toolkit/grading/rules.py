"""``program.expect.…``: rules on the code itself, seen in the linked file and in the sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from toolkit.grading.categories import Category
from toolkit.grading.checks import Failure, GraderError, Regex
from toolkit.grading.evidence import InstructionRecord, Location

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.grading.calls import CallResult
    from toolkit.grading.program import Program

_STRING_OR_COMMENT = re.compile(r"""("(?:[^"\n])*"|'(?:[^'\n])*'|`(?:\\.|[^`\\\n])*`)|;.*""")


class ProgramExpectations:
    """The vocabulary of README.md for the program without running it."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def instruction(self, *names: str, at_least: int = 1, at_most: int | None = None) -> None:
        """Any of these mnemonics stands in the code so often (in all)."""
        found = self._instructions(names)
        what = " or ".join(names)
        if len(found) < at_least:
            self._fail(
                f"the code has no {what}" if not found else f"too few {what}",
                f"at least {at_least}",
                str(len(found)),
            )
        if at_most is not None and len(found) > at_most:
            self._fail(
                f"the code has too many {what}",
                f"at most {at_most}",
                str(len(found)),
                found[at_most].location,
            )

    def no_instruction(self, *names: str) -> None:
        """None of these mnemonics stands in the code."""
        for instruction in self._instructions(names):
            text = f"{instruction.mnemonic} {instruction.operands}".strip()
            self._fail(
                f"{instruction.mnemonic} is not allowed here",
                f"no {' or '.join(names)}",
                text,
                instruction.location,
            )

    def loop(self, at_least: int = 1) -> None:
        """The code jumps backwards so often, by any jump or loop instruction to an address at or before its own."""
        found = self._backward_jumps()
        if len(found) < at_least:
            self._fail(
                "the code has no loop" if not found else "the code has too few loops",
                f"at least {at_least}",
                str(len(found)),
            )

    def no_loop(self) -> None:
        """The code never jumps backwards."""
        for instruction in self._backward_jumps():
            text = f"{instruction.mnemonic} {instruction.operands}"
            self._fail("a loop is not allowed here", "no jump backwards", text, instruction.location)

    def symbol(self, name: str, section: str | None = None) -> None:
        """The program defines ``name`` (in ``section``)."""
        if name not in self._program.symbols:
            self._fail(
                f"the program defines no symbol {name}",
                name,
                ", ".join(self._program.symbols) or "no symbols",
            )
        if section is None:
            return
        address = self._program.symbols[name]
        home = [
            s.name
            for s in self._program.build.sections
            if s.size and s.address <= address < s.address + s.size
        ]
        if section not in home:
            self._fail(f"{name} is in the wrong section", section, ", ".join(home) or "none")

    def section(
        self, name: str, size: int | None = None, at_least: int | None = None, at_most: int | None = None
    ) -> None:
        """The section exists with this size in bytes."""
        section = self._program.sections.get(name)
        if section is None:
            self._fail(
                f"the program has no section {name}", name, ", ".join(self._program.sections) or "no sections"
            )
        self._size(f"section {name}", section.size, size, at_least, at_most)

    def no_section(self, name: str) -> None:
        """The section is missing or empty."""
        section = self._program.sections.get(name)
        if section is not None and section.size:
            self._fail(f"the program has a section {name}", f"no {name}", f"{section.size} bytes")

    def code_size(self, at_most: int | None = None, at_least: int | None = None) -> None:
        """Bytes in executable sections."""
        total = sum(section.size for section in self._program.build.sections if "X" in section.flags)
        self._size("the code", total, None, at_least, at_most)

    def source(self, pattern: Regex | str, help: str | None = None) -> None:
        """Some line of the main source matches somewhere, comments left out."""
        if self._find(pattern) is None:
            self._fail("the source lacks something it must have", _text(pattern), "no such line", help=help)

    def no_source(self, pattern: Regex | str, help: str | None = None) -> None:
        """No line of the main source matches, comments left out."""
        found = self._find(pattern)
        if found is not None:
            location, line = found
            self._fail(
                "the source has something it must not have",
                f"nothing that {_text(pattern)}",
                line,
                location,
                help,
            )

    def call(
        self,
        function: str,
        *arguments: int | bytes | bytearray,
        returns: int | tuple[int, ...] | None = None,
        after: Mapping[int, bytes] | None = None,
        stdout: str | bytes | Regex | None = None,
        stdin: str | bytes = b"",
        exits: int | None = None,
        instructions_at_most: int | None = None,
    ) -> CallResult | None:
        """A call has these results (see README.md); ``None`` when it ends the program, as ``exits`` expects."""
        from toolkit.grading.calls import CallExpectation, expect_call
        from toolkit.grading.program import as_bytes

        expected = CallExpectation(returns, dict(after or {}), stdout, exits, instructions_at_most)
        return expect_call(self._program, function, arguments, as_bytes(stdin), expected)

    def _instructions(self, names: tuple[str, ...]) -> list[InstructionRecord]:
        if not names:
            raise GraderError("instruction(): name at least one")
        return [
            each for each in self._program.instructions if not set(names).isdisjoint(each.mnemonic.split())
        ]

    def _backward_jumps(self) -> list[InstructionRecord]:
        return [each for each in self._program.instructions if _is_backward_jump(each)]

    def _find(self, pattern: Regex | str) -> tuple[Location, str] | None:
        expression = re.compile(
            pattern.pattern.pattern.decode() if isinstance(pattern, Regex) else re.escape(pattern)
        )
        for number, line in enumerate(self._program.source.splitlines(), 1):
            code = without_comment(line)
            if expression.search(code):
                return Location(next(iter(self._program.sources)), number), code.strip()
        return None

    def _size(
        self, what: str, actual: int, size: int | None, at_least: int | None, at_most: int | None
    ) -> None:
        if size is not None and actual != size:
            self._fail(f"{what} has the wrong size", f"{size} bytes", f"{actual} bytes")
        if at_least is not None and actual < at_least:
            self._fail(f"{what} is too small", f"at least {at_least} bytes", f"{actual} bytes")
        if at_most is not None and actual > at_most:
            self._fail(f"{what} is too big", f"at most {at_most} bytes", f"{actual} bytes")

    def _fail(
        self,
        message: str,
        expected: str,
        actual: str,
        location: Location | None = None,
        help: str | None = None,
    ) -> NoReturn:
        raise Failure(
            message, expected=expected, actual=actual, location=location, help=help, category=Category.CODE
        )


def _is_backward_jump(instruction: InstructionRecord) -> bool:
    if not instruction.mnemonic.startswith(("j", "loop")):
        return False
    try:
        return int(instruction.operands, 16) <= instruction.address
    except ValueError:  # through a register or memory: its target isn't known
        return False


def without_comment(line: str) -> str:
    """A source line up to its comment; a semicolon within quotes begins none (nasm manual, 3.4.2)."""
    return _STRING_OR_COMMENT.sub(lambda match: match.group(1) or "", line).rstrip()


def _text(pattern: Regex | str) -> str:
    return f"matches /{pattern.text}/" if isinstance(pattern, Regex) else f"contains {pattern!r}"
