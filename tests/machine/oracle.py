"""The same few bytes of code as a Linux process and on our machine, described alike.

The world is: code at 0x400000 (one page, r-x), 0x401000 unmapped, data at 0x402000 (three pages, rw-, the last of
them the stack), 0x405000 unmapped, 0x406000 r--, 0x407000 ---.
"""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.machine import Event, InvalidOpcode, Machine, PageFault, Trap
from toolkit.machine.registers import NAMES

PAGE = 4096
CODE, DATA, STACK_TOP, READ_ONLY, NOTHING = 0x400000, 0x402000, 0x405000, 0x406000, 0x407000
DATA_SIZE = 3 * PAGE
ROOT, PDPT, PD, TABLE, CODE_FRAME, DATA_FRAME, READ_ONLY_FRAME = 20, 21, 22, 23, 24, 25, 28
USED_FRAMES = 32
NO_EXECUTE = 1 << 63
SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV = 4, 5, 7, 8, 11
SI_KERNEL = 128
REQUEST = struct.Struct(f"=18QII256s{DATA_SIZE}sII")
ANSWER = struct.Struct(f"=iiQ18Q{DATA_SIZE}s512s")


@dataclass(frozen=True)
class Case:
    """What to run, and from which state. `registers` are by name; RSP, RIP and RFLAGS have defaults."""

    code: bytes
    registers: dict[str, int] = field(default_factory=dict)
    offset: int = 0
    data: bytes = bytes(range(256))
    mxcsr: int = 0x1F80
    control_word: int = 0x37F

    def state(self) -> list[int]:
        """The 18 registers at the start."""
        defaults = {"rsp": STACK_TOP - 64, "rip": CODE + self.offset, "rflags": 0x202}
        return [(defaults | self.registers).get(name, 0) & (1 << 64) - 1 for name in NAMES]


@dataclass(frozen=True)
class Stop:
    """How it ended: the signal with its code and address, and the state left behind."""

    signal: int
    code: int
    address: int
    registers: dict[str, int]
    data: bytes
    fpu: bytes


class Native:
    """The helper process that runs cases on the host's CPU under ptrace."""

    def __init__(self, folder: Path) -> None:
        program = folder / "runner"
        source = Path(__file__).parent / "native" / "runner.c"
        subprocess.run(["gcc", "-O1", "-o", program, source], check=True, timeout=60)
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, case: Case) -> Stop:
        """Run one case in a fresh child process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = REQUEST.pack(
            *case.state(), case.offset, len(case.code), case.code, case.data, case.mxcsr, case.control_word
        )
        self._process.stdin.write(request)
        self._process.stdin.flush()
        signal, code, address, *rest = ANSWER.unpack(self._process.stdout.read(ANSWER.size))
        return Stop(signal, code, address, dict(zip(NAMES, rest[:18], strict=True)), rest[18], rest[19])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def emulate(machine: Machine, case: Case, budget: int | None = None) -> Stop:
    """Run one case on our machine; the event is turned into the signal Linux would send."""
    set_up(machine, case)
    event = machine.run(budget)
    signal, code, address = as_signal(event, machine)
    data = bytes(machine.bytes[DATA_FRAME * PAGE : DATA_FRAME * PAGE + DATA_SIZE])
    return Stop(signal, code, address, machine.registers.as_dict(), data, machine.fpu_state())


def set_up(machine: Machine, case: Case) -> None:
    """Build the world on a pristine machine."""
    machine.reset(USED_FRAMES)
    words = machine.words
    words[ROOT * 512] = PDPT * PAGE | 7
    words[PDPT * 512] = PD * PAGE | 7
    words[PD * 512 + 2] = TABLE * PAGE | 7
    words[TABLE * 512] = CODE_FRAME * PAGE | 5
    for index in range(3):
        words[TABLE * 512 + 2 + index] = (DATA_FRAME + index) * PAGE | 7 | NO_EXECUTE
    words[TABLE * 512 + 6] = READ_ONLY_FRAME * PAGE | 5 | NO_EXECUTE
    start = CODE_FRAME * PAGE + case.offset
    machine.bytes[start : start + len(case.code)] = case.code
    machine.bytes[DATA_FRAME * PAGE : DATA_FRAME * PAGE + len(case.data)] = case.data
    machine.set_page_table(ROOT * PAGE)
    for index, value in enumerate(case.state()):
        machine.registers.values[index] = value
    image = bytearray(512)
    struct.pack_into("<H", image, 0, case.control_word)
    struct.pack_into("<I", image, 24, case.mxcsr)
    machine.set_fpu_state(bytes(image))


def is_area(address: int) -> bool:
    """Whether an area of the world covers the address."""
    return (
        CODE <= address < CODE + PAGE or DATA <= address < STACK_TOP or READ_ONLY <= address < NOTHING + PAGE
    )


def as_signal(event: Event, machine: Machine) -> tuple[int, int, int]:
    """Signal, si_code and si_addr that Linux (arch/x86/kernel/traps.c, mm/fault.c) sends for an event."""
    rip = machine.registers["rip"]
    match event:
        case PageFault(address=address):
            return SIGSEGV, 2 if is_area(address) else 1, address
        case InvalidOpcode():
            return SIGILL, 2, rip
        case Trap(vector=0):
            return SIGFPE, 1, rip
        case Trap(vector=1, software=True):
            return SIGTRAP, 1, rip
        case Trap(vector=1):
            return SIGTRAP, 2, rip
        case Trap(vector=3):
            return SIGTRAP, SI_KERNEL, 0
        case Trap(vector=12):
            return SIGBUS, SI_KERNEL, 0
        case Trap(vector=16):
            return SIGFPE, x87_code(machine.fpu_state()), rip
        case Trap(vector=17):
            return SIGBUS, 1, 0
        case Trap(vector=19):
            return SIGFPE, simd_code(machine.fpu_state()), rip
        case Trap(vector=4 | 5 | 13):
            return SIGSEGV, SI_KERNEL, 0
    raise AssertionError(f"the program did not end in a signal but in {event}")


def fpe_code(raised: int) -> int:
    """fpu__exception_code: invalid, divide, overflow, underflow or denormal, precision."""
    for bits, code in ((0x01, 7), (0x04, 3), (0x08, 4), (0x12, 5), (0x20, 6)):
        if raised & bits:
            return code
    return 0


def x87_code(image: bytes) -> int:
    control, status = struct.unpack_from("<HH", image)
    return fpe_code(status & ~control)


def simd_code(image: bytes) -> int:
    (mxcsr,) = struct.unpack_from("<I", image, 24)
    return fpe_code(~(mxcsr >> 7) & mxcsr)
