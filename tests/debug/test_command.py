"""``toolkit debug`` on a real terminal: the full screen, and what is said where textual is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.debug.test_session import SOURCE

pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX's")

CONTROL_C = b"\3"
CALLS_FOR_EVER = "global _start\n_start: mov eax, 39\n syscall\n jmp _start\n"
"""System calls take their time: a plain loop has reached the most that one continue runs before Ctrl-C is typed."""
PLAIN = "from toolkit.cli import main; main()"
WITHOUT_TEXTUAL = f"import sys; sys.modules['textual'] = None; {PLAIN}"


def converse(
    code: str, arguments: list[str], talk: list[tuple[bytes, bytes]], folder: Path, source: str = SOURCE
) -> tuple[int, bytes]:
    """Run with a terminal; each text is typed once the one before it was seen. Exit status and all that was shown."""
    (folder / "program.asm").write_text(source)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "debug", *arguments, "program.asm"],
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
    )  # fmt: skip
    os.close(terminal)
    os.set_blocking(controller, False)
    shown, end = b"", time.monotonic() + 60
    for expected, typed in [*talk, (b"\0never", b"")]:
        begun = len(shown)
        while expected not in shown[begun:] and time.monotonic() < end:
            try:
                data = os.read(controller, 65536)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            except OSError:  # the other side is gone
                break
            if not data:
                break
            shown += data
        if typed == CONTROL_C:
            time.sleep(1)
            process.send_signal(signal.SIGINT)
        elif typed:
            os.write(controller, typed)
    status = process.wait(20)
    os.close(controller)
    return status, shown


def test_without_textual_it_says_how_to_get_it_and_goes_on(tmp_path: Path) -> None:
    talk = [(b"> ", b"s\n"), (b"> ", b"q\n")]
    status, shown = converse(WITHOUT_TEXTUAL, [], talk, tmp_path)
    assert status == 0
    assert b"-m pip install textual" in shown
    assert b"after 1 instructions" in shown


def test_the_line_mode_can_be_asked_for(tmp_path: Path) -> None:
    status, shown = converse(PLAIN, ["--line"], [(b"> ", b"c\n"), (b"> ", b"q\n")], tmp_path)
    assert status == 0
    assert b"the program has ended, Segmentation fault" in shown
    assert b"reading from address 0x2" in shown


def test_the_line_mode_tells_what_was_printed(tmp_path: Path) -> None:
    status, shown = converse(
        PLAIN, ["--line"], [(b"> ", b"g 15\n"), (b"> ", b"o\n"), (b"> ", b"q\n")], tmp_path
    )
    assert status == 0
    assert b"\nhi\r\n> " in shown


def test_control_c_stops_a_program_that_never_ends(tmp_path: Path) -> None:
    talk = [(b"> ", b"c\n"), (b"c", CONTROL_C), (b"stopped on the way", b"q\n")]
    status, shown = converse(PLAIN, ["--line"], talk, tmp_path, CALLS_FOR_EVER)
    assert (status, b"stopped on the way" in shown) == (0, True)


def test_the_full_screen(tmp_path: Path) -> None:
    talk = [(b"xor eax, eax", b"s"), (b"always 0", b"c"), (b"reading from address 0x2", b"q")]
    status, shown = converse(PLAIN, [], talk, tmp_path)
    assert status == 0, shown
    assert b"reading from address 0x2" in shown
    assert b"Traceback" not in shown
