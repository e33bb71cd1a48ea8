"""Why a program was killed: each kind of fault, from bytes and registers to words."""

from __future__ import annotations

import pytest

from tests.grading.fakes import AREAS, REGISTERS, moment
from toolkit.grading.evidence import Evidence, FaultRecord, Location
from toolkit.grading.explain import decode, explain_fate

RIP = 0x401010


def fault(
    code: str,
    *,
    signal: str = "SIGSEGV",
    si_code: int = 1,
    address: int | None = None,
    access: str | None = None,
    located: bool = True,
    **registers: int,
) -> FaultRecord:
    return FaultRecord(
        signal,
        si_code,
        address,
        access,
        REGISTERS | {"rip": RIP} | registers,
        bytes.fromhex(code),
        location=Location("prog.asm", 12) if located else None,
        source_line="    mov al, [somewhere]" if located else "",
    )


def explain(record: FaultRecord) -> str:
    return "\n".join(
        explain_fate(Evidence(signal=record.signal, fault=record, moments={"exit": moment(AREAS)}))
    )


CASES: dict[str, tuple[FaultRecord, list[str]]] = {
    "base, index, scale and displacement": (
        fault("48 8b 44 cb 10", address=0x500010 + 8, access="read", rbx=0x500000, rcx=1),
        [
            "at prog.asm:12: mov al, [somewhere]",
            "mov rax, qword ptr [rbx + rcx*8 + 0x10]",
            "reading from address 0x500018 = rbx (0x500000) + rcx (0x1) * 8 + 0x10",
            "nothing is mapped there: it lies 0xfd018 bytes after the end of 00402000-00403000 rw-p",
            "before 7ffff7fbd000-",
            "rule: only addresses inside an area",
        ],
    ),
    "a call through memory": (
        fault("ff 13", rbx=0x401000),
        [
            "it took the address to go to from memory at 0x401000 = rbx (0x401000), as the brackets say",
            "canonical",
        ],
    ),
    "a return to rubbish": (
        fault("c3"),
        ["ret took this one from the stack. Was something pushed and not popped"],
    ),
    "negative displacement": (
        fault("8a 43 ff", address=0x3FFFFF, access="read", rbx=0x400000),
        ["address 0x3fffff = rbx (0x400000) - 0x1", "it is 0x1 bytes below the lowest area"],
    ),
    "null pointer": (
        fault("48 89 18", address=0, access="write"),
        ["writing to address 0x0 = rax (0x0)", "null pointer"],
    ),
    "read-only": (
        fault("c6 03 01", si_code=2, address=0x401000, access="write", rbx=0x401000),
        ["there lies: 00401000-00402000 r-xp", "rule: the area's rights are r-xp; to write it must have w"],
    ),
    "guard": (
        fault("c6 03 01", address=0x402000, access="write", rbx=0x402000),
        ["there lies: 00402000-00403000 rw-p", "rule: madvise(MADV_GUARD_INSTALL) made this page a guard"],
    ),
    "straddling": (
        fault("48 8b 03", address=0x403000, access="read", rbx=0x402FFC),
        ["address 0x403000 = rbx (0x402ffc), byte 4 of it"],
    ),
    "relative to rip": (
        fault("48 8b 05 00 10 00 00", address=RIP + 7 + 0x1000 + 0x10000000, access="read"),
        ["reading from address"],
    ),
    "push onto a full stack": (
        fault("50", address=0x7FFFFF7FDFF8, access="write", rsp=0x7FFFFF7FE000),
        ["= rsp (0x7fffff7fe000) - 0x8", "the stack grows down to its limit"],
    ),
    "jump to 0": (
        fault("", address=0, access="execute", located=False, rip=0),
        ["no instruction could be read there", "executing at address 0x0", "A ret in _start"],
    ),
    "ret in _start": (
        fault("", address=1, access="execute", located=False, rip=1),
        ["takes argc for a return address"],
    ),
    "execute data": (
        fault("90", si_code=2, address=0x402000, access="execute", rip=0x402000),
        ["code runs only from areas with x; this one is rw-p"],
    ),
    "ran past the end": (
        fault("00 00", address=0x1234, access="write", located=False, rax=0x1234),
        ["ran past its last instruction"],
    ),
    "not canonical": (
        fault("48 8b 03", si_code=128, rbx=0x8000_0000_0000_0000),
        ["touching address 0x8000000000000000 = rbx", "must all be equal"],
    ),
    "privileged": (fault("f4", si_code=128), ["rule: hlt is a privileged instruction"]),
    "control register": (
        fault("0f 20 d8", si_code=128),
        ["only the kernel (ring 0) may read or write a control"],
    ),
    "port": (fault("ec", si_code=128), ["rule: in is a privileged instruction"]),
    "interrupt": (fault("cd 05", si_code=128), ["only int 0x80 and int3"]),
    "misaligned": (
        fault("0f 28 03", si_code=128, rbx=0x402004),
        ["0x402004 = rbx (0x402004)", "aligned to 16 bytes"],
    ),
    "division by zero": (
        fault("48 f7 fb", signal="SIGFPE", si_code=1, rdx=0, rax=7),
        ["the divisor is rbx = 0; rdx:rax = 0x0:0x7", "quotient doesn't fit"],
    ),
    "quotient too large": (
        fault("48 f7 f3", signal="SIGFPE", si_code=1, rbx=2, rdx=5),
        ["the divisor is rbx = 2", "was rdx cleared"],
    ),
    "beyond the end of a file": (
        fault("8a 03", signal="SIGBUS", si_code=2, address=0x7FFFF7FBD000, access="read", rbx=0x7FFFF7FBD000),
        ["wholly beyond the end of its file"],
    ),
    "undefined": (fault("0f 0b", signal="SIGILL", si_code=2), ["ud2"]),
    "no instruction": (fault("06 06", signal="SIGILL", si_code=2), ["the bytes 06 06 are no instruction"]),
    "breakpoint": (fault("cc", signal="SIGTRAP", si_code=128), ["int3 is a breakpoint"]),
}


@pytest.mark.parametrize("case", CASES)
def test_explanation(case: str) -> None:
    record, parts = CASES[case]
    text = explain(record)
    for part in parts:
        assert part in text, text


def test_no_fault_no_explanation() -> None:
    assert explain_fate(Evidence(exit_code=0)) == ()
    assert explain_fate(Evidence(signal="SIGTERM")) == ()


def test_any_bytes_can_be_explained() -> None:
    for first in range(256):
        for second in range(0, 256, 17):
            record = fault(bytes([first, second, 0, 0]).hex(), address=0x1234, access="read", located=False)
            decode(record)
            assert explain(record)
