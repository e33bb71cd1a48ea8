"""A session and what its panes show, without a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.debug.sessions import open_session
from toolkit.debug import panes
from toolkit.debug.panes import View
from toolkit.debug.session import Session
from toolkit.debug.timeline import Movement, finish

SOURCE = """\
section .data
table: dq 1, 2, 3
greeting: db "hi", 10
section .bss
line: resb 16
section .text
global _start
print:
    push rbx
    mov eax, 1
    mov edi, 1
    mov esi, greeting
    mov edx, 3
    syscall
    pop rbx
    ret
_start:
    xor eax, eax
    xor edi, edi
    mov esi, line
    mov edx, 16
    syscall
    mov r12d, 3
again:
    call print
    dec r12d
    jnz again
    mov rbx, [table + 8]
    mov rax, [rbx]
"""


@pytest.fixture
def session() -> Iterator[Session]:
    made = open_session(SOURCE)
    yield made
    made.close()


def view(session: Session) -> View:
    listing, row = session.listing()
    return View(
        session.now, session.before, session.places, listing, row, row or 0,
        frozenset(session.breakpoints), session.watch, session.done,
    )  # fmt: skip


def line(session: Session) -> int:
    """The present source line, from 1."""
    row = session.listing()[1]
    assert row is not None
    return row + 1


def test_stepping_is_the_same_from_both_sides(session: Session) -> None:
    seen = []
    while not session.now.ended:
        seen.append((session.now.position, line(session), session.done))
        finish(session.step())
    assert seen[:3] == [
        (0, 18, ""),
        (1, 19, "eax = 0; itself and itself: always 0; PF set, ZF set"),
        (2, 20, "edi = 0; itself and itself: always 0"),
    ]
    assert session.now.fate == ("Segmentation fault", "  why it died")
    for expected in reversed(seen):
        finish(session.back())
        assert (session.now.position, line(session), session.done) == expected
    assert finish(session.back()) == "this is the start"


def moved(session: Session, *movements: Callable[[], Movement[str]]) -> list[str]:
    return [finish(movement()) for movement in movements]


def test_over_a_call_and_out_of_a_function(session: Session) -> None:
    finish(session.run_to(session.places.symbols["again"]))
    moved(session, session.over)
    assert (line(session), session.now.output) == (26, ((1, b"hi\n"),))
    moved(session, session.back)
    assert line(session) == 16
    finish(session.goto(8))
    assert line(session) == 10
    moved(session, session.out)
    assert line(session) == 26


def test_breakpoints_both_ways(session: Session) -> None:
    address = session.places.symbols["print"]
    assert session.toggle(address)
    positions = []
    while not session.now.ended:
        moved(session, session.resume)
        positions.append(session.now.position)
    hits = positions[:-1]
    assert len(hits) == 3
    back = []
    while session.now.position:
        said = moved(session, session.reverse)
        back.append(session.now.position)
    assert back == [*reversed(hits), 0]
    assert said == ["no breakpoint before: this is the start"]
    assert not session.toggle(address)


def test_standard_input_given_on_the_way(session: Session) -> None:
    finish(session.goto(4))
    assert "i gives it a line" in panes.story(view(session), 120, 9).plain
    finish(session.give(b"12\n"))
    assert session.now.position == 4
    moved(session, session.step)
    assert session.done == 'read(0, "12\\n", 16)                     = 3'
    assert "3 of 3 bytes read" in panes.output(view(session), 60, 5).plain
    assert (session.now.given, session.now.taken) == (b"12\n", 3)


ADDRESSES = [
    ("table", 0), ("table+8", 8), ("table + 16 - 8", 8), ("[table]", 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "offset"), ADDRESSES)
def test_watched_addresses(session: Session, text: str, offset: int) -> None:
    assert session.address(text) == session.places.symbols["table"] + offset
    finish(session.watch_at(text))
    assert session.now.surroundings.watched == session.places.symbols["table"] + offset


@pytest.mark.parametrize("text", ["", "nowhere", "rax + nothing"])
def test_what_is_no_address(session: Session, text: str) -> None:
    with pytest.raises(LookupError):
        session.address(text)


def test_a_register_is_watched_where_it_points(session: Session) -> None:
    finish(session.watch_at("rsi"))
    finish(session.goto(3))
    assert session.now.surroundings.watched == session.places.symbols["line"]
    finish(session.goto(1 << 40))
    finish(session.watch_at("table"))
    assert session.now.ended
    assert session.now.surroundings.memory[0] is not None


EXPECTED = {
    "source": ["●→  25      call print", "   26      dec r12d"],
    "story": ["did   r12d = 3", "next  call 0x401000", "calls print (0x401000); the return address again+5"],
    "registers": ["rsp 00007fffffffee30  → [stack]+0x20e30", "r12 0000000000000003  3", "rsi 000000000040201c  → line", "ZF=1", "the result was zero"],
    "stack": ["rsp+0    0000000000000001  1"],
    "memory": ["00402000  01 00 00 00 00 00 00 00  ........", "00402018  68 69 0a"],
    "areas": ["rip     000000401000-000000402000 r-xp /home/student/program", "mem     000000402000-000000403000 rw-p", "rsp     7ffffffde000-7ffffffff000 rw-p [stack]"],
    "output": ["stdin: 0 of 0 bytes read, nothing is left"],
    "calls": ['read(0, "", 16)                         = 0'],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_panes(session: Session, name: str) -> None:
    finish(session.goto(6))
    session.toggle(session.places.symbols["again"])
    shown = getattr(panes, name)(view(session), 72, 24).plain
    for expected in EXPECTED[name]:
        assert expected in shown, shown


def test_what_changed_is_highlighted(session: Session) -> None:
    finish(session.goto(6))
    spans = panes.registers(view(session), 60, 24)
    changed = {spans.plain[span.start : span.end] for span in spans.spans if span.style == panes.CHANGED}
    assert changed == {"0000000000000003", "000000000040102f"}


@pytest.mark.parametrize("width", [1, 8, 20, 48, 200])
@pytest.mark.parametrize("height", [0, 1, 3, 30])
def test_any_room_is_enough(session: Session, width: int, height: int) -> None:
    for position in (0, 9, 1 << 40):
        finish(session.goto(position))
        for name in EXPECTED:
            shown = getattr(panes, name)(view(session), width, height)
            rows = shown.plain.split("\n") if shown.plain else []
            assert len(rows) <= max(height, 0)
            assert all(len(row) <= max(width, 10) for row in rows), (name, rows)


def test_code_without_a_source_is_disassembled() -> None:
    session = open_session("global _start\n_start: nop\nmov eax, ebx\nfunction: ud2\n")
    session.places._built = session.places._built.__class__(
        (), session.places._built.elf, session.places._built.symbols
    )
    finish(session.step())
    listing, row = session.listing()
    assert [each.text for each in listing.rows[:5]] == [
        "_start:", "      401000  nop", "      401001  mov eax, ebx", "function:", "      401003  ud2",
    ]  # fmt: skip
    assert row == 2
    session.close()


OUTPUTS = [
    (b"tab\tbell\a", "tab    bell\\x07"),
    (b"\x1b[31mred", "\\x1b[31mred"),
    (b"\xff", "\\xff"),
    ("ж".encode(), "ж"),
]


@pytest.mark.parametrize(("data", "text"), OUTPUTS)
def test_output_cannot_move_the_cursor(data: bytes, text: str) -> None:
    assert panes.visible(data) == text


def test_a_long_movement_can_be_given_up() -> None:
    session = open_session("global _start\n_start: inc rax\njmp _start\n")
    movement = session.resume()
    for _ in range(3):
        next(movement)
    movement.close()
    session.interrupted()
    position = session.now.position
    assert position > 1000
    assert session.now.registers["rax"] == (position + 1) // 2
    finish(session.step())
    assert session.now.position == position + 1
    session.close()
