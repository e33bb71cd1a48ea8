"""A system call that is about to be made, by the registers: ``system call write(descriptor 1, buffer message, count 6)``."""

from __future__ import annotations

from toolkit.debug.operands import Instruction, number
from toolkit.kernel.syscalls import table
from toolkit.kernel.syscalls.arguments import INT
from toolkit.machine.registers import NAMES
from toolkit.personality import linux_i386, linux_x86_64

_SHOWN = 24  # bytes of what is written


def describe(instruction: Instruction) -> str:
    """Name and arguments; of a write also the first bytes."""
    registers = instruction.registers
    by_gate = instruction.mnemonic == "int" or instruction.bits == 32
    personality = linux_i386.PERSONALITY if by_gate else linux_x86_64.PERSONALITY
    mask = 0xFFFFFFFF if by_gate else (1 << 64) - 1
    call = registers["rax"] & 0xFFFFFFFF
    name = personality.syscall_names.get(call)
    if name is None:
        return f"system call {call}: Linux has none of this number, so rax becomes -ENOSYS"
    declaration = table(personality).entry(call).declaration
    values = [registers[NAMES[index]] & mask for index in personality.argument_registers]
    said = []
    for (argument, kind), value in zip(declaration.arguments if declaration else (), values, strict=False):
        shown = value & 0xFFFFFFFF if kind.decode == INT else value
        where = instruction.names(shown) if shown > 4096 else ""
        said.append(f"{argument} {where or number(shown, 32 if kind.decode == INT else 64)}")
    return f"system call {name}({', '.join(said)})" + _written(instruction, name, values)


def _written(instruction: Instruction, name: str, values: list[int]) -> str:
    if name != "write" or not values[2]:
        return ""
    data = instruction.read(values[1], min(values[2], _SHOWN))
    if data is None:
        return ""
    text = repr(data)[1:] + ("…" if values[2] > _SHOWN else "")
    return f": writes {text}"
