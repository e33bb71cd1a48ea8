"""Who calls a function of the program: what stands in the registers and on the stack, and where its arguments lie.

All that does not depend on the call is made when the program is loaded, so that it is there again for the next call
(`kernel.checkpoint`). The pages that a caller in the program would have touched by then, of code and stack, are resident.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING

from toolkit.abi.memory import PAGE_SIZE, PF_INSTRUCTION, PF_USER
from toolkit.machine.registers import NAMES

if TYPE_CHECKING:
    from toolkit.grading.evidence import CallArgument
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.outcome import FaultDetail

RETURN = 0x5EAF_00D1_C3A5  # canonical, far from everything that Linux maps; a zero or a word stored over it is noticed
BUFFERS = 0x5EAF_1000_0000  # from here on buffers are placed, each in front of an unmapped page
ROOM = 0x100_0000  # bytes for each buffer, most of which stay unmapped
FILLED = 4096  # bytes of stack below the function's frame that hold the pattern
MASK = (1 << 64) - 1


@lru_cache(maxsize=4)
def rubbish_of(seed: int) -> tuple[dict[str, int], bytes]:
    """What stands in the registers, and on the stack below the function's frame, when it is called."""
    chance = random.Random(seed)
    names = [name for name in NAMES if name not in ("rsp", "rip", "rflags")]
    return {name: chance.getrandbits(64) for name in names}, chance.randbytes(FILLED)


def came_back(rip: int | None, fault: FaultDetail | None) -> bool:
    """Whether a run is over because the function went to its caller, which is nowhere: with others running, it dies of that."""
    fetched = fault is None or (fault.access == "execute" and fault.address == RETURN)
    return rip == RETURN and fetched


def stand_ready(kernel: Kernel, seed: int) -> None:
    """Make the loaded program one that is about to call a function without arguments: rsp is the one before the call."""
    registers, memory = kernel.machine.registers, kernel.processes.main.memory
    rubbish, _ = rubbish_of(seed)
    for name, value in rubbish.items():
        registers[name] = value
    memory.fault(registers["rip"], PF_USER | PF_INSTRUCTION)
    registers["rsp"] = registers["rsp"] - 256 & ~15
    registers["rflags"] = 0x202
    write_frame(memory, registers["rsp"], (), seed)


def write_frame(memory: AddressSpace, rsp: int, words: tuple[int, ...], seed: int) -> None:
    """The stack as a call with these words at rsp leaves it, and rubbish below."""
    _, pattern = rubbish_of(seed)
    frame = b"".join(word.to_bytes(8, "little") for word in (RETURN, *words))
    memory.write(rsp - 8 - FILLED, pattern + frame)


def below(argument: CallArgument, seed: int) -> bytes:
    """What stands in the first page of an argument's data before it begins: rubbish where the function may write."""
    assert argument.data is not None
    size = -len(argument.data) % PAGE_SIZE if argument.data else PAGE_SIZE
    return rubbish_of(seed)[1][:size] if argument.writable else bytes(size)


def place(memory: AddressSpace, argument: CallArgument, index: int, seed: int) -> int:
    """Put the data of the argument with this index where the function finds it: the address."""
    assert argument.data is not None
    end = BUFFERS + ROOM * (index + 1)
    content = below(argument, seed) + argument.data
    memory.map_content(end - len(content), content, writable=argument.writable)
    return end - len(argument.data)
