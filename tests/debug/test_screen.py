"""The full screen, driven by keys as a person would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.debug.sessions import open_session
from tests.debug.test_session import SOURCE
from toolkit.debug.screen import Debugger, Help, Pane
from toolkit.debug.timeline import finish

LOOP = "global _start\n_start: inc rax\njmp _start\n"


def drive(source: str, script: Callable[[Debugger, Pilot[None]], Coroutine[Any, Any, None]], size: tuple[int, int] = (140, 50)) -> None:  # fmt: skip
    async def run() -> None:
        session = open_session(source)
        app = Debugger(session, "program")
        async with app.run_test(size=size) as pilot:
            await script(app, pilot)
        session.close()

    asyncio.run(run())


def text(app: Debugger, name: str) -> str:
    pane = app.query_one(f"#{name}", Pane)
    return "\n".join(
        "".join(segment.text for segment in pane.render_line(y)) for y in range(pane.size.height)
    )


async def press(app: Debugger, pilot: Pilot[None], keys: list[str], waiting: bool = True) -> None:
    """Keys; ``=text`` is typed into the prompt at once and sent.

    The pilot's own ``press`` waits after each key until the processor is idle: while a program runs, a second.
    """
    for key in keys:
        if key.startswith("="):
            app.query_one("#prompt", Input).value = key[1:]
        app.simulate_key("enter" if key.startswith("=") else key)
        await pilot.pause(None if waiting else 0.05)
        if waiting:
            await at_rest(app, pilot)


async def at_rest(app: Debugger, pilot: Pilot[None]) -> None:
    """Wait until the movement under way is over."""
    for _ in range(2000):
        if app._moving is None:
            return
        await pilot.pause(0.01)
    raise AssertionError("still moving")


KEYS = [
    (["s", "right", "b"], 1, "eax = 0"),
    (["g", "=5", "g", "=-1", "left"], 3, "esi = 0x40201c"),
    (["g", "=x", "g", "escape"], 0, "'x' is no number of instructions"),
    (["slash", "=again", "t", "n"], 15, "ran 9 instructions"),
    (["slash", "=print", "space", "c", "f", "r"], 7, "calls print"),
    (["m", "=nowhere"], 0, "no label, register or number 'nowhere'"),
    (["c", "b"], 40, "will fault: qword [0x2] can't be read"),
    (["shift+tab", "down", "pagedown", "up", "full_stop", "b"], 0, "this is the start"),
    (["i", "=12", "g", "=5"], 5, 'read(0, "12\\n", 16)'),
]  # fmt: skip


def test_keys() -> None:
    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        for keys, position, told in KEYS:
            finish(app.session.goto(0))
            app.session.breakpoints.clear()
            await press(app, pilot, ["full_stop", *keys])
            await pilot.pause()
            assert (app.session.now.position, keys) == (position, keys)
            assert told in text(app, "story"), keys

    drive(SOURCE, script)


def test_everything_is_on_the_screen() -> None:
    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        await press(app, pilot, ["g", "=15"])
        await pilot.pause()
        for name, expected in {
            "source": "dec r12d",
            "registers": "rip 0000000000401034",
            "stack": "rsp+0",
            "memory": "68 69 0a",
            "areas": "[stack]",
            "output": "hi",
            "calls": 'write(1, "hi\\n", 3)',
        }.items():
            assert expected in text(app, name), name

    drive(SOURCE, script)


def test_a_small_screen_shows_panes_in_turn() -> None:
    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        shown = []
        for _ in range(4):
            shown.append([name for name in ("stack", "memory", "areas") if app.query_one(f"#{name}").display])
            await pilot.press("tab")
        assert shown == [["stack"], ["memory"], ["areas"], ["stack"]]
        assert "rip 0000000000401019" in text(app, "registers")

    drive(SOURCE, script, (80, 24))


def test_a_program_that_never_ends_leaves_the_screen_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.debug.session.CONTINUED", 1 << 50)

    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        # A step is not taken meanwhile, but help is there.
        await press(app, pilot, ["c", "s", "question_mark"], waiting=False)
        assert isinstance(app.screen, Help)
        await press(app, pilot, ["x", "escape"], waiting=False)
        await at_rest(app, pilot)
        assert "stopped on the way" in text(app, "story")
        assert app.session.now.position > 0

    drive(LOOP, script)


def test_quitting_on_the_way() -> None:
    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        await press(app, pilot, ["c", "q"], waiting=False)

    drive(LOOP, script)


def test_the_prompt_takes_every_key() -> None:
    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        await pilot.press("m", "s", "b", "q")
        assert app.query_one("#prompt", Input).value == "sbq"
        assert app.session.now.position == 0
        await pilot.press("ctrl+c")
        assert not app.query_one("#prompt", Input).display

    drive(SOURCE, script)


def test_a_fault_of_ours_is_kept_for_the_command() -> None:
    async def script(app: Debugger, pilot: Pilot[None]) -> None:
        app.session.timeline.outcome = None
        app.session.timeline._kernel = None  # type: ignore[assignment]
        await press(app, pilot, ["s"])
        assert isinstance(app.fault, AttributeError)

    with pytest.raises(AttributeError):  # the session can't be closed either
        drive(SOURCE, script)
