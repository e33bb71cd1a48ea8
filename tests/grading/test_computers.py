"""A computer that is taken back to its first instruction is a fresh one, whatever the run before did to it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from toolkit.grading import computers
from toolkit.grading.building import build
from toolkit.grading.computers import Computers
from toolkit.grading.engine import Engine
from toolkit.grading.evidence import (
    BuildRequest,
    CallArgument,
    CallRequest,
    Evidence,
    FileData,
    RunRequest,
)
from toolkit.kernel.checkpoint import IGNORED, referents, slots_of
from toolkit.kernel.kernel import Kernel

SOURCE = b"""
global _start
%macro call6 1-7 0, 0, 0, 0, 0, 0       ; a system call with its number and arguments
    mov eax, %1
    mov rdi, %2
    mov rsi, %3
    mov rdx, %4
    mov r10, %5
    mov r8, %6
    mov r9, %7
    syscall
%endmacro
section .data
value: dq 7
name:  db "made", 0
tmp:   db "/tmp", 0
ignore: dq 1, 0x04000000, back, 0
catch: dq handler, 0x44000000, back, 0
timer: dq 0, 0, 0, 5000
control: dd 0x1f00
section .bss
room:  resb 8192
section .text
_start:
    call6 0, 0, room, 16
    mov rdx, rax
    call6 1, 1, room, rdx
    call6 60, 3
crash:   mov rax, [0]
         ret
leave:   call6 231, 9
maps:    call6 9, 0, 8192, 3, 0x22, -1
         mov [rax], rax
         ret
unmaps:  call6 11, room, 8192
         ret
breaks:  call6 12, 0
         lea rsi, [rax + 9000]
         call6 12, rsi
         mov [rax - 8], rax
         ret
writes:  inc qword [value]
         mov qword [room + 5000], 1
         ret
ignores: call6 13, 11, ignore, 0, 8
         call6 14, 0, value, 0, 8
         ret
catches: call6 13, 11, catch, 0, 8
         mov rax, [0]
         ret
handler: add qword [rdx + 168], 8       ; rip in ucontext, over the faulting load
         inc qword [value]
         ret
back:    call6 15
opens:   call6 2, name, 0x42, 420
         mov r12, rax
         call6 1, r12, name, 4
         call6 80, tmp
         ret
closes:  call6 3, 1
         call6 33, 2, 0
         ret
forks:   call6 57
         test eax, eax
         jnz .parent
         inc qword [value]
         call6 1, 1, name, 4
         call6 60, 5
.parent: call6 61, -1, 0, 0, 0
         ret
shares:  call6 9, 0, 4096, 3, 0x21, -1
         mov dword [rax], 1
         ret
alarms:  call6 38, 0, timer, 0
         call6 35, 0, 0
         ret
rewrites: call6 10, rewrites, 4096, 7
         inc byte [.place + 1]
         dec byte [.place + 1]
.place:  mov al, 1
         ret
runs_data: mov dword [room], 0xc3c0fec3
         call6 10, room, 4096, 7
         call room
         lea rax, [room + 1]
         call rax
         ret
deep:    sub rsp, 0x9000
         mov [rsp], rsp
         add rsp, 0x9000
         ret
odd:     std
         ldmxcsr [control]
         fldpi
         movq xmm3, [value]
         call6 158, 0x1002, value        ; ARCH_SET_FS
         mov rbx, [fs:0]
         ret
spins:   jmp spins
probe:   call6 12, 0
         mov r12, rax
         call6 79, room, 4096
         movq rax, xmm3
         stmxcsr [room + 64]
         fnstsw [room + 72]
         add eax, [room + 64]
         add rax, r12
         add rax, [value]
         mov rdx, [room]
         cld
         ret
"""
FUNCTIONS = (
    *(
        "crash",
        "leave",
        "maps",
        "unmaps",
        "breaks",
        "writes",
        "ignores",
        "catches",
        "opens",
        "closes",
        "forks",
    ),
    *("shares", "alarms", "rewrites", "runs_data", "deep", "odd", "spins", "probe"),
)
BUILD = BuildRequest("many", (FileData("many.asm", SOURCE),))


def calling(function: str, *arguments: CallArgument) -> RunRequest:
    return RunRequest(BUILD, call=CallRequest(function, arguments), budget=50_000)


@pytest.fixture(scope="module")
def fresh() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def kept() -> Engine:
    return Engine()


def run_fresh(engine: Engine, request: RunRequest) -> Evidence:
    """On a computer of its own: the engine has no reason to keep one."""
    assert isinstance(engine.run(RunRequest(BuildRequest("other", BUILD.sources))), Evidence)
    evidence = engine.run(request)
    assert isinstance(evidence, Evidence)
    return evidence


@pytest.mark.parametrize("function", FUNCTIONS)
def test_evidence_is_that_of_a_fresh_computer(function: str, fresh: Engine, kept: Engine) -> None:
    requests = [
        calling("probe"),
        calling(function),
        calling("probe"),
        calling(function, CallArgument(data=b"abc"), CallArgument(data=b"x" * 5000, writable=True)),
        RunRequest(BUILD, stdin=b"typed\n"),
        calling(function),
        RunRequest(BUILD, stdin=b"typed again\n"),
        calling("probe"),
    ]
    for request in requests:
        assert kept.run(request) == run_fresh(fresh, request)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_state_is_that_of_a_fresh_computer(function: str) -> None:
    built = build(BUILD)
    assert built.elf is not None
    kept, other, request = Computers(), Computers(), calling(function)
    new = tuple(described(other.ready(request, built.elf)))
    for _ in range(2):
        kernel = kept.ready(request, built.elf)
        kernel.at("start", lambda stop: set_rip(stop.kernel, built.symbols[function]))
        kernel.run(budget=50_000)
        kept.done()
    assert tuple(described(kept.ready(request, built.elf))) == new
    other.shut_down()
    kept.shut_down()


def set_rip(kernel: Kernel, address: int) -> None:
    kernel.machine.registers["rip"] = address


def described(kernel: Kernel) -> Iterator[object]:
    """The kernel's state in a form that does not name the objects, the memory it handed out, and the registers."""
    kernel.frames.translated.clear()  # the machine's memory, not the program's
    common = {id(table.entries) for table in kernel.tables.values()}
    order: dict[int, int] = {}
    objects: list[Any] = [kernel]
    order[id(kernel)] = 0
    for found in objects:
        parts: list[object] = [
            type(found).__name__,
            sorted(getattr(found, "__dict__", ())),
            slots_of(type(found)),
        ]
        if isinstance(found, (types.FunctionType, types.MethodType)):
            parts.append(found.__qualname__)
        elif isinstance(found, bytearray):
            parts.append(bytes(found))
        elif not isinstance(found, (dict, list, tuple, set, frozenset)) and hasattr(found, "getstate"):
            parts.append(found.getstate())
        for inner in () if id(found) in common else referents(found):
            if isinstance(inner, IGNORED):
                parts.append(
                    inner if isinstance(inner, (int, str, bytes, type(None))) else type(inner).__name__
                )
                continue
            if id(inner) not in order:
                order[id(inner)] = len(objects)
                objects.append(inner)
            parts.append(("object", order[id(inner)]))
        yield parts
    frames = kernel.frames
    yield [frames.read(frames.first + index) for index in range(frames.fresh)]
    yield kernel.machine.registers.as_dict(), kernel.machine.fpu_state(), kernel.machine.selectors


def test_a_program_that_was_seen_once_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        computers, "loaded", lambda *given, original=computers.loaded: made.append(1) or original(*given)
    )  # type: ignore[func-returns-value, misc]
    engine = Engine()
    for count, expected in ((1, 1), (1, 2), (3, 2)):
        for _ in range(count):
            engine.run(calling("probe"))
        assert len(made) == expected
    engine.run(replace(calling("probe"), seed=1))
    assert len(made) == 3
