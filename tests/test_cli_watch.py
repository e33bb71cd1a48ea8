"""``toolkit check --watch`` at a terminal: the keys, and what is shown first. The terminal is a pty."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grading.fakes import save, write_exercise
from tests.test_cli import ROOT
from tests.test_cli_check import GRADER, SOLUTION, STARTER
from toolkit.cli import watch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.mark.parametrize(("looks", "waits"), [(2, 2), (1000, watch.EMPTY_LOOKS)])
def test_a_file_that_is_being_written_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int, waits: int
) -> None:
    """An editor that writes in place empties the file first; a student who empties it gets a verdict all the same."""
    source, pauses = tmp_path / "prog.asm", list[float]()
    source.write_text("")
    (tmp_path / "empty.inc").write_text("")

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == looks:
            source.write_text("nop\n")

    monkeypatch.setattr(time, "sleep", sleep)
    watch.await_content([tmp_path])
    assert pauses == [watch.EMPTY_PAUSE] * waits
    monkeypatch.undo()
    source.write_text("nop\n")
    watch.await_content([tmp_path])


class Terminal:
    """A program with a pty for its three streams."""

    def __init__(self, arguments: list[str], cwd: Path) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "LANG": "C",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "toolkit", *arguments],
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self._text = ""

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read_until(self, words: str, seconds: float = 30) -> str:
        """What was printed up to and with these words, since the last call."""
        import select

        deadline = time.monotonic() + seconds
        while words not in self._text:
            assert time.monotonic() < deadline, self._text
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self._text += os.read(self._ours, 65536).decode(errors="replace")
                except OSError:  # Linux's answer when the other end is closed
                    raise AssertionError(f"it ended: {self._text}") from None
        seen, _, self._text = self._text.partition(words)
        return seen + words

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    for name in ("first", "second"):
        write_exercise(
            tmp_path / "exercises" / "ch09" / name,
            GRADER,
            SOLUTION if name == "first" else STARTER,
            hints_dot_md="## Look\nat the manual\n## Think\nagain\n",
            **{f"reference__{name}_dot_asm": SOLUTION},
        )
    opened = Terminal(["check", "ch09", "--watch"], tmp_path)
    yield opened
    opened.close()


def test_keys_and_saving(terminal: Terminal, tmp_path: Path) -> None:
    shown = terminal.read_until("q quit")
    assert "ch09/second" in shown, "the first exercise that does not pass is in front"
    assert "prints a word" in shown
    assert "1 of 2 passed" in shown
    terminal.press("h")
    assert "Hint 1 of 2: Look" in terminal.read_until("at the manual")
    terminal.press("h")
    terminal.read_until("Hint 2 of 2: Think")
    terminal.press("h")
    terminal.read_until("shows a solution")
    terminal.press("t")
    terminal.read_until("The second exercise")
    terminal.press("l")
    assert "* ch09/first" in terminal.read_until("ch09/second")
    terminal.press("x")
    terminal.read_until("n next")
    source = tmp_path / "exercises" / "ch09" / "second" / "second.asm"
    save(source, SOLUTION)
    terminal.read_until("2 of 2 passed")
    save(source, "_start: movv rax, 1\n")
    assert "second.asm:1:9: error:" in terminal.read_until("1 of 2 passed")
    terminal.press("n")
    terminal.read_until("of 2 passed")
    terminal.press("q")
    assert terminal.process.wait(20) == 0


def test_a_progress_file_from_the_future_is_told_of_and_hints_go_on(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.read_until("q quit")
    progress = tmp_path / ".toolkit-progress.json"
    progress.write_text('{"version": 99}')
    terminal.press("c")
    terminal.read_until("\x1b[2J")
    terminal.read_until("is of a newer toolkit; it is left as it is")
    terminal.press("h")
    terminal.read_until("Hint 1 of 2: Look")
    terminal.press("h")
    terminal.read_until("Hint 2 of 2: Think")
    assert progress.read_text() == '{"version": 99}'


def test_control_c_ends_it(terminal: Terminal) -> None:
    terminal.read_until("q quit")
    terminal.process.send_signal(2)
    assert terminal.process.wait(20) == 0
