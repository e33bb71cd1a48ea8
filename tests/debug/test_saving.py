"""Coming back to a saved state is the same as running again from the start."""

from __future__ import annotations

import pytest

from tests.debug.sessions import build
from toolkit.debug import timeline as module
from toolkit.debug.stepper import begin
from toolkit.debug.timeline import Timeline

PROGRAMS = {
    "a loop": """
        _start: mov ecx, 3000
        again: inc qword [number]
            push rcx
            add xmm0[0], eax
            pop rcx
            dec ecx
            jnz again
            mov eax, 60
            syscall
        """.replace("add xmm0[0], eax", "paddd xmm0, xmm1"),
    "code that rewrites itself": """
        _start: mov eax, 10                 ; mprotect
            mov edi, 0x401000
            mov esi, 4096
            mov edx, 7
            syscall
            mov ecx, 1000
        again: inc byte [place + 1]
        place: mov al, 0
            add rbx, rax
            dec ecx
            jnz again
            mov eax, 60
            syscall
        """,
    "with calls between": """
        _start: mov ebx, 30
        outer: mov ecx, 100
        again: inc qword [number]
            rol qword [number], 3
            dec ecx
            jnz again
            mov eax, 39                     ; getpid
            syscall
            add [number], rax
            dec ebx
            jnz outer
            mov eax, 60
            syscall
        """,
    "touching new pages": """
        _start: mov rdi, pages
            mov ecx, 20000
        again: mov [rdi], ecx
            add rdi, 4
            dec ecx
            jnz again
            mov eax, 60
            syscall
        """,
}
DATA = "section .data\nnumber: dq 5\nsection .bss\npages: resb 80000\nsection .text\nglobal _start\n"


def state(timeline: Timeline, places: list[int]) -> tuple[object, ...]:
    kernel = timeline.kernel
    memory = [timeline.read(place, 16) for place in places]
    return (
        dict(timeline.registers),
        memory,
        kernel.clock.now,
        kernel.machine.fpu_state(),
        kernel.render_maps(),
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_ways_lead_to_the_same_state(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPACING", 50)
    monkeypatch.setattr(module, "MOST_SAVED", 8)
    monkeypatch.setattr(module, "SMALLEST", 40)
    monkeypatch.setattr(module, "LARGEST", 40)
    built = build(DATA + PROGRAMS[name])
    places = [built.symbols["number"], built.symbols["_start"], built.symbols["pages"] + 4000]
    saving, plain = begin(built.elf or b"", ["./p"]), begin(built.elf or b"", ["./p"])
    came_back = 0
    for position in (2900, 2899, 2500, 2501, 100, 2950, 1200, 1199, 1198, 60, 1300, 1290):
        before = saving.kernel
        saving.goto(position)
        came_back += saving.kernel is before
        plain._saved.clear()
        plain.restart()
        plain.goto(position)
        assert state(saving, places) == state(plain, places), position
    assert came_back > 4
    saving.close()
    plain.close()


def test_a_change_by_the_debugger_is_forgotten_on_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPACING", 50)
    built = build(DATA + PROGRAMS["a loop"])
    timeline = begin(built.elf or b"", ["./p"])
    timeline.goto(1000)
    timeline.write(built.symbols["number"], bytes(8))
    timeline.goto(900)
    assert timeline.read(built.symbols["number"], 1) != b"\0"
    timeline.close()
