"""Which instruction made a jump to a non-canonical address.

The CPU refuses such a jump: #GP with RIP at the jump itself. The engine jumps first and then faults at the target,
so the jump is looked for afterwards: it ended the last block that ran, if it can have led to that target from a state
that could have become the present one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toolkit.machine import decode
from toolkit.machine.registers import RSP

ReadWord = Callable[[int], int | None]


@dataclass(frozen=True, slots=True)
class Jump:
    """The instruction's address, and RSP before it."""

    address: int
    stack_pointer: int


def find_jump(start: int, code: bytes, registers: Any, target: int, read_word: ReadWord) -> Jump | None:
    """The jump to `target` at the end of the block of `code` that begins at `start`."""
    ends = [0, *(end for _, end in decode.instructions(code, 64))]
    offset = ends[-2] if len(ends) > 1 else 0
    for last in decode.disassembler(64).disasm(code[offset:], start + offset, 1):
        stack_pointer = before(last, registers, target, read_word)
        if stack_pointer is not None:
            return Jump(last.address, stack_pointer)
    return None


def before(instruction: Any, registers: Any, target: int, read_word: ReadWord) -> int | None:
    """RSP before `instruction`, if it can have led to `target` and to these registers; else None."""
    stack_pointer: int = registers[RSP]
    name = instruction.mnemonic.removeprefix("repz ").removeprefix("bnd ").removeprefix("notrack ")
    if name == "ret":
        released = 8 + (instruction.operands[0].imm if instruction.operands else 0)
        previous = stack_pointer - released & (1 << 64) - 1
        return previous if read_word(previous) == target else None
    if name not in ("jmp", "call") or not instruction.operands or instruction.operands[0].type == 2:
        return None
    if name == "call":
        if read_word(stack_pointer) != instruction.address + instruction.size:
            return None
        stack_pointer = stack_pointer + 8 & (1 << 64) - 1
    values = list(registers)
    values[RSP] = stack_pointer
    operand = instruction.operands[0]
    if operand.type == 1:  # X86_OP_REG
        found: int | None = values[decode.register_number(instruction, operand.reg)]
    else:
        memory = decode.memory_operand(instruction)
        if memory is None or memory.segment:
            return None
        found = read_word(decode.effective_address(memory, values, instruction.address + instruction.size, 0))
    return stack_pointer if found == target else None
