"""Moving through a run, by hand and by gdb."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.asm import assemble
from toolkit.asm.link import LinkInput, link
from toolkit.debug.gdb import Conversation, GdbServer, serve
from toolkit.debug.stepper import Stepper, begin
from toolkit.debug.timeline import Timeline
from toolkit.grading.building import Built

SOURCE = """
section .data
number: dq 5
section .text
global _start
_start:
    mov ecx, 3
again:
    add qword [number], 2
    dec ecx
    jnz again
    mov eax, 60
    mov rdi, [number]
    syscall
"""
LENGTH = 1 + 3 * 3 + 3


@pytest.fixture(scope="module")
def built() -> Built:
    assembly = assemble(SOURCE, name="loop.asm")
    linked = link([LinkInput("loop.o", assembly.object or b"", assembly.lines)])
    return Built((), linked.elf, linked.symbols, linked.lines, {"loop.asm": SOURCE.splitlines()})


@pytest.fixture
def timeline(built: Built) -> Iterator[Timeline]:
    made = begin(built.elf or b"", ["./loop"])
    yield made
    made.close()


def number(timeline: Timeline, built: Built) -> int:
    return int.from_bytes(timeline.read(built.symbols["number"], 8) or b"", "little")


def test_every_position_is_the_same_from_both_sides(timeline: Timeline, built: Built) -> None:
    forwards = []
    while timeline.outcome is None:
        forwards.append((timeline.position, dict(timeline.registers), number(timeline, built)))
        timeline.step()
    assert [position for position, _, _ in forwards] == list(range(LENGTH))
    assert timeline.outcome is not None
    assert timeline.outcome.exit_code == 11
    for position, registers, value in reversed(forwards):
        timeline.goto(position)
        assert (dict(timeline.registers), number(timeline, built)) == (registers, value)


def test_back_from_the_end_is_the_last_instruction(timeline: Timeline) -> None:
    timeline.goto(10_000)
    assert timeline.outcome is not None
    timeline.back()
    assert (timeline.position, timeline.outcome) == (LENGTH - 1, None)


def test_back_from_a_fault_is_the_instruction_that_faulted() -> None:
    assembly = assemble("global _start\n_start:\nnop\nmov al, [0]\n", name="crash.asm")
    elf = link([LinkInput("crash.o", assembly.object or b"", assembly.lines)]).elf
    timeline = begin(elf or b"", ["./crash"])
    timeline.goto(100)
    assert timeline.outcome is not None
    assert timeline.outcome.signal == 11
    timeline.back()
    assert (timeline.position, timeline.registers["rip"]) == (1, 0x401001)
    timeline.close()


def test_breakpoints_in_both_directions(timeline: Timeline, built: Built) -> None:
    again = {built.symbols["again"]}
    values = []
    while timeline.forward_to(again):
        values.append((timeline.position, number(timeline, built)))
    assert values == [(1, 5), (4, 7), (7, 9)]
    assert timeline.back_to(again)
    assert timeline.position == 7
    assert timeline.back_to(again)
    assert timeline.position == 4
    timeline.goto(1)
    assert not timeline.back_to(again)
    assert timeline.position == 0


COMMANDS = [
    ("s", "after 1 instructions"),
    ("s 3", "after 4 instructions: rip = 0x401005  loop.asm:9"),
    ("b 2", "after 2 instructions"),
    ("c again", "after 4 instructions"),
    ("rc again", "after 1 instructions"),
    ("x number 8", "05 00 00 00 00 00 00 00"),
    ("r", "rcx 0000000000000003"),
    ("g 100", "the program has ended, exit status 11"),
    ("b", "loop.asm:14"),
    ("", "loop.asm:14"),
    ("frobnicate", "no command 'frobnicate'"),
    ("x nowhere", "no label nowhere"),
    ("s many", "invalid literal"),
]


def test_the_stepper(timeline: Timeline, built: Built) -> None:
    stepper = Stepper(timeline, built)
    for command, expected in COMMANDS:
        assert expected in stepper.obey(command), command


PACKETS = [
    ("?", "T05"),
    ("Z0,401005,1", "OK"),
    ("c", "T05"),
    ("bs", "T05"),
    ("bs", "T05replaylog:begin;"),
    ("m402000,8", "0500000000000000"),
    ("M402000,1:09", "OK"),
    ("m402000,1", "09"),
    ("m0,1", "E14"),
    ("z0,401005,1", "OK"),
    ("c", "W0f"),
    ("mzz", "E01"),
    ("vMustReplyEmpty", ""),
]


def test_packets(timeline: Timeline) -> None:
    server = GdbServer(timeline)
    for packet, reply in PACKETS:
        try:
            answer = server.answer(packet)
        except ValueError:
            answer = "E01"
        assert answer == reply, packet


def test_gdb_can_interrupt_a_program_that_never_ends() -> None:
    assembly = assemble("global _start\n_start: jmp _start\n", name="loop.asm")
    timeline = begin(link([LinkInput("loop.o", assembly.object or b"")]).elf or b"", ["./loop"])
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=Conversation(timeline, theirs).hold, daemon=True)
    thread.start()
    ours.settimeout(20)
    ours.sendall(b"$c#63")
    assert ours.recv(1) == b"+"
    ours.sendall(b"\3")
    assert ours.recv(100) == b"$T02#b6"
    ours.close()
    thread.join(20)
    assert not thread.is_alive()
    theirs.close()
    timeline.close()


@pytest.mark.differential
def test_gdb_steps_back(timeline: Timeline, built: Built, tmp_path: Path) -> None:
    """A real gdb: continue to a breakpoint, and reverse."""
    if shutil.which("gdb") is None:
        pytest.skip("gdb is not installed")
    program = tmp_path / "loop"
    program.write_bytes(built.elf or b"")
    ports: list[int] = []
    ready = threading.Event()

    def started(port: int) -> None:
        ports.append(port)
        ready.set()

    thread = threading.Thread(target=serve, args=(timeline, 0, started), daemon=True)
    thread.start()
    assert ready.wait(20)
    commands = [f"target remote 127.0.0.1:{ports[0]}", "break again", "continue", "continue", "print $rcx", "print (long)number",
                "reverse-continue", "print $rcx", "print (long)number", "stepi", "print (long)number", "reverse-stepi",
                "print (long)number", "delete", "continue"]  # fmt: skip
    arguments = [part for command in commands for part in ("-ex", command)]
    ran = subprocess.run(
        ["gdb", "-nx", "-batch", *arguments, str(program)], capture_output=True, text=True, timeout=60
    )
    thread.join(20)
    assert re.findall(r"^\$\d+ = (\d+)$", ran.stdout, re.MULTILINE) == ["2", "7", "3", "5", "7", "5"], (
        ran.stdout + ran.stderr
    )
    assert "exited with code 013" in ran.stdout
