"""Why an instruction can't be encoded, in nasm's words and with what a teacher would add."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.asm.instructions import Form


class Mismatch(IntEnum):
    """Why a form does not match, the more specific reasons last (nasm's enum match_result): the largest is reported."""

    INVALID_OPERANDS = 0
    SIZE_MISSING = 1
    SIZE_MISMATCH = 2
    BROADCAST_NOT_HERE = 3
    BROADCAST_COUNT = 4
    MASK_NOT_HERE = 5
    DECORATOR_NOT_HERE = 6
    CPU_LEVEL = 7
    MODE = 8
    HLE_PREFIX = 9
    ENCODING_PREFIX = 10
    BND_PREFIX = 11
    REPNE_PREFIX = 12
    REGISTER_SET_SIZE = 13
    REGISTER_SET = 14


MESSAGES = {
    Mismatch.INVALID_OPERANDS: "invalid combination of opcode and operands",
    Mismatch.SIZE_MISSING: "operation size not specified",
    Mismatch.SIZE_MISMATCH: "mismatch in operand sizes",
    Mismatch.BROADCAST_NOT_HERE: "broadcast not permitted on this operand",
    Mismatch.BROADCAST_COUNT: "mismatch in the number of broadcasting elements",
    Mismatch.MASK_NOT_HERE: "mask not permitted on this operand",
    Mismatch.DECORATOR_NOT_HERE: "unsupported mode decorator for instruction",
    Mismatch.CPU_LEVEL: "no instruction for this cpu level",
    Mismatch.MODE: "instruction not supported in {bits}-bit mode",
    Mismatch.HLE_PREFIX: "invalid combination of opcode and operands",
    Mismatch.ENCODING_PREFIX: "instruction not encodable with {prefix} prefix",
    Mismatch.BND_PREFIX: "{prefix} prefix is not allowed",
    Mismatch.REPNE_PREFIX: "{prefix} prefix is not allowed",
    Mismatch.REGISTER_SET_SIZE: "invalid register set size",
    Mismatch.REGISTER_SET: "register set not valid for operand",
}


@dataclass(frozen=True)
class Explanation:
    """What a teacher would add to a refusal.

    ``written`` describes the operands given (``("memory", "memory")``); ``forms`` are the mnemonic's forms nearest to
    them, nearest first, and ``legal`` the same in words. ``operand`` is the position of the written operand that keeps the
    nearest form from matching, None where several do. ``sizes`` are the size keywords that would settle a missing
    size, ``modes`` the modes (16, 32, 64) in which the instruction exists with these operands.
    """

    written: tuple[str, ...] = ()
    forms: tuple[Form, ...] = ()
    legal: tuple[str, ...] = ()
    operand: int | None = None
    sizes: tuple[str, ...] = ()
    modes: tuple[int, ...] = ()


class EncodeError(Exception):
    """An instruction nasm refuses.

    ``code`` is a stable word for programs (``invalid-operands``, ``size-missing``, ``bad-address`` ...), ``nasm_message``
    what nasm 2.16.01 prints after ``error: ``. ``operand`` is the position of the operand at fault in the written
    instruction, None where it is the whole. ``also``: what nasm says besides, of the same line, with its severity.
    ``length``: the bytes it counts for all the same, where only a value is at fault: in another pass that may be another.
    """

    length = 0

    def __init__(
        self,
        code: str,
        nasm_message: str,
        operand: int | None = None,
        explain: Callable[[], Explanation] | None = None,
        also: tuple[str, ...] = (),
    ) -> None:
        super().__init__(nasm_message)
        self.code = code
        self.nasm_message = nasm_message
        self.operand = operand
        self.also = also
        self._explain = explain

    @cached_property
    def explanation(self) -> Explanation:
        """Why, and what would be legal; worked out when first asked for."""
        return self._explain() if self._explain is not None else Explanation()
