"""Makes a stopped process call one of its functions as a C caller would, and finds out how it came back.

System V ABI, x86-64, 3.2: arguments in rdi, rsi, rdx, rcx, r8, r9, then on the stack; rsp + 8 a multiple of 16 at entry;
rbx, rbp, r12 to r15 and rsp kept; the direction flag clear. The return address is ``RETURN``, where nothing is mapped:
the fault there is the return.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from toolkit.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from toolkit.grading.building import Built
from toolkit.grading.evidence import CallEvidence, RunRequest
from toolkit.machine.registers import NAMES

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.moments import Moments, Stop
    from toolkit.kernel.outcome import Outcome

RETURN = 0x5EAF_00D0_0000  # a canonical address far from everything that Linux maps
BUFFERS = 0x5EAF_1000_0000  # from here on buffers are placed, each in front of an unmapped page
ARGUMENT_REGISTERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
KEPT_REGISTERS = ("rbx", "rbp", "r12", "r13", "r14", "r15")
DIRECTION_FLAG = 0x400
MASK = (1 << 64) - 1


class Caller:
    """One call in one run."""

    def __init__(self, built: Built, request: RunRequest) -> None:
        assert request.call is not None
        self._call = request.call
        self._built = built
        self._random = random.Random(request.seed)
        self._kept: dict[str, int] = {}
        self._addresses: dict[int, int] = {}
        self._buffers: dict[int, bytes] = {}
        self._end_registers: dict[str, int] = {}
        self._moments: Moments | None = None

    def attach(self, kernel: Kernel) -> None:
        """Set the call up when the program is loaded, look at it when it ends."""
        kernel.at("start", self._begin)
        kernel.at("exit", self._end)
        if self._call.count_label is not None:
            # The kernel counts every arrival at a label that some observer waits for; this one is never called.
            kernel.at(f"label:{self._call.count_label}:{1 << 62}", lambda stop: None)
            self._moments = kernel.moments

    def evidence(self, outcome: Outcome) -> CallEvidence:
        """How the call went."""
        fault = outcome.fault
        returned = fault is not None and fault.access == "execute" and fault.address == RETURN
        if not returned or fault is None:
            return CallEvidence(
                False, buffers=self._buffers, addresses=self._addresses, label_count=self._count
            )
        registers = dict(fault.registers)
        return CallEvidence(
            True,
            registers["rax"],
            registers["rdx"],
            self._buffers,
            self._addresses,
            tuple(self._violations(registers)),
            self._count,
        )

    @property
    def _count(self) -> int:
        seen = {} if self._moments is None else self._moments.seen
        return seen.get(f"label:{self._call.count_label}", 0)

    def _begin(self, stop: Stop) -> None:
        registers = {
            name: self._random.getrandbits(64) for name in NAMES if name not in ("rsp", "rip", "rflags")
        }
        words = [self._argument(stop, index) for index in range(len(self._call.arguments))]
        registers |= dict(zip(ARGUMENT_REGISTERS, words, strict=False))
        on_stack = words[len(ARGUMENT_REGISTERS) :]
        rsp = (stop.registers["rsp"] - 256 & ~15) - 16 * ((len(on_stack) + 1) // 2)
        frame = b"".join(word.to_bytes(8, "little") for word in [RETURN, *on_stack])
        stop.process.memory.write(rsp - 8, frame)
        registers |= {"rsp": rsp - 8, "rip": self._built.symbols[self._call.function], "rflags": 0x202}
        self._kept = {name: registers[name] for name in KEPT_REGISTERS} | {"rsp": rsp}
        for name, value in registers.items():
            stop.kernel.machine.registers.values[NAMES.index(name)] = value

    def _argument(self, stop: Stop, index: int) -> int:
        argument = self._call.arguments[index]
        if argument.data is None:
            return argument.value & MASK
        pages = max(1, -(-len(argument.data) // PAGE_SIZE))
        end = BUFFERS + 0x100_0000 * (index + 1)
        start = end - pages * PAGE_SIZE
        memory = stop.process.memory
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
        memory.mmap(start, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, flags, None, 0)
        address = end - len(argument.data)
        memory.write(address, argument.data)
        if not argument.writable:
            memory.mprotect(start, pages * PAGE_SIZE, PROT_READ)
        self._addresses[index] = address
        self._buffers[index] = argument.data
        return address

    def _end(self, stop: Stop) -> None:
        from toolkit.kernel.errors import SyscallError

        for index, address in self._addresses.items():
            try:
                self._buffers[index] = bytes(stop.read(address, len(self._buffers[index])))
            except SyscallError:  # the function unmapped it: keep what it was
                continue

    def _violations(self, registers: dict[str, int]) -> list[str]:
        found = [
            f"{name} must be kept: it was {self._kept[name]:#x} and is {registers[name]:#x}"
            for name in KEPT_REGISTERS
            if registers[name] != self._kept[name]
        ]
        if registers["rsp"] != self._kept["rsp"]:
            off = registers["rsp"] - self._kept["rsp"]
            found.append(f"rsp is {abs(off)} bytes too {'high' if off > 0 else 'low'} on return")
        if registers["rflags"] & DIRECTION_FLAG:
            found.append("the direction flag is set on return (cld clears it)")
        return found
