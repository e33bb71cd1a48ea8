"""``toolkit check --watch``: grade again on every save, the next failing check first; keys where there is a terminal."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from toolkit.cli.progress_file import ProgressFile
    from toolkit.grading.disclosure import Disclosure
    from toolkit.grading.exercise import Exercise
    from toolkit.grading.report import ExerciseResult
    from toolkit.grading.runner import Choice
    from toolkit.grading.sandbox import Sandbox, WorkerSandbox

POLL_INTERVAL = 0.015  # seconds between looks at the files where no notification service is installed
EMPTY_PAUSE, EMPTY_LOOKS = 0.01, 20
"""Seconds between looks at a file that was saved empty, and how many: an editor that writes in place empties it first."""
POLL_PAUSE = 20  # times as long as a look takes is at least waited for the next one
KEYS_HELP = "h hint   t task   n next   l list   c check again   q quit"

Event = tuple[str, object]  # ("saved", set of folders) | ("key", character) | ("end", None)


def watch_exercises(
    exercises: Sequence[Exercise], choice: Choice, sandbox: WorkerSandbox, disclosure: Disclosure
) -> None:
    """Run until q, the end of a terminal's input, or Ctrl-C."""
    from toolkit.cli.common import UserError
    from toolkit.grading.foresight import Foresight
    from toolkit.grading.sandbox import WorkerSandbox

    if not exercises:
        raise UserError("there is no exercise to watch")
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    stop = threading.Event()
    folders = [exercise.folder for exercise in exercises]
    if choice.submission is not None:
        path = choice.submission.resolve()
        folders = [path if path.is_dir() else path.parent]
    threading.Thread(target=watch_folders, args=(folders, events.put, stop), daemon=True).start()
    helpers = [WorkerSandbox()] if (os.cpu_count() or 1) > 1 else []
    session = Session(exercises, choice, Foresight(sandbox, *helpers), disclosure)
    with keyboard(events.put):
        try:
            session.begin()
            while session.handle(events.get()):
                pass
        except KeyboardInterrupt:
            click.echo()
        finally:
            stop.set()
            for helper in helpers:
                helper.close()


class Session:
    """What is being watched, and which exercise is in front."""

    def __init__(
        self,
        exercises: Sequence[Exercise],
        choice: Choice,
        sandbox: Sandbox,
        disclosure: Disclosure,
    ) -> None:
        self._disclosure = disclosure
        self._exercises = list(exercises)
        self._choice = choice
        self._sandbox = sandbox
        self._passed: set[str] = set()
        self._unsaved: ProgressFile | None = None  # hints shown where the file can't keep them
        self._current = self._exercises[0]

    def begin(self) -> None:
        """Grade until the first exercise that does not pass, and show it."""
        results = []
        for exercise in self._exercises:
            self._current = exercise
            results.append(self._grade(exercise))
            if exercise.identity not in self._passed:
                break
        self._show(results[-1])
        self._keep(self._exercises, results)

    def handle(self, event: Event) -> bool:
        """Act on one event; ``False`` at the end."""
        kind, value = event
        if kind == "saved":
            assert isinstance(value, set)
            changed = [each for each in self._exercises if each.folder in value]
            self._current = changed[0] if changed else self._current
            await_content(value)
            self._check()
            return True
        actions: dict[object, Callable[[], None]] = {
            "h": self._hint,
            "t": self._task,
            "n": self._next,
            "l": self._list,
            "c": self._check,
            "\r": self._check,
            "\n": self._check,
        }
        if kind == "end" or value in ("q", "\x03", "\x04"):
            return False
        actions.get(value, lambda: click.echo(KEYS_HELP))()
        return True

    def _check(self) -> None:
        from toolkit.grading.exercise import Exercise

        self._current = Exercise(self._current.folder)  # files and grader are read anew
        result = self._grade(self._current)
        self._show(result)
        self._keep([self._current], [result])

    def _next(self) -> None:
        order = [each.identity for each in self._exercises]
        start = order.index(self._current.identity) + 1
        following = [*self._exercises[start:], *self._exercises[:start]]
        self._current = next((each for each in following if each.identity not in self._passed), following[0])
        self._check()

    def _list(self) -> None:
        for exercise in self._exercises:
            mark = "*" if exercise.identity in self._passed else " "
            here = ">" if exercise.identity == self._current.identity else " "
            click.echo(f"{here}{mark} {exercise.identity}  {exercise.title}")

    def _hint(self) -> None:
        from toolkit.cli.loop import print_hint
        from toolkit.cli.progress_file import load

        progress = self._unsaved or load(self._current.folder.parent.parent)
        print_hint(self._current, progress)
        progress.save()
        self._unsaved = None if progress.writable else progress

    def _task(self) -> None:
        from toolkit.cli.loop import print_markdown, readme

        print_markdown(readme(self._current.folder, None).read_text(encoding="utf-8"))

    def _grade(self, exercise: Exercise) -> ExerciseResult:
        from toolkit.grading.report import Status
        from toolkit.grading.runner import grade_exercise

        result = self._disclosure.result(grade_exercise(exercise, self._choice, self._sandbox))
        if result.status is Status.PASSED:
            self._passed.add(exercise.identity)
        else:
            self._passed.discard(exercise.identity)
        return result

    def _keep(self, exercises: Sequence[Exercise], results: Sequence[ExerciseResult]) -> None:
        """Remember the student's progress; what is wrong with its file is said below the report, which clears the screen."""
        from toolkit import __version__
        from toolkit.cli.progress_file import remember
        from toolkit.grading.report import Report

        if not (self._choice.reference or self._choice.submission):
            remember(exercises, Report(tuple(results), self._choice.seed, __version__))

    def _show(self, result: ExerciseResult) -> None:
        from toolkit.grading.pretty import print_lines, watch_lines

        if sys.stdout.isatty():
            click.clear()
        print_lines(sys.stdout, watch_lines(result))
        if result.identity in self._passed and len(self._passed) < len(self._exercises):
            click.echo("Passed. Press n for the next exercise." if sys.stdin.isatty() else "Passed.")
        click.echo(
            f"{len(self._passed)} of {len(self._exercises)} passed"
            + (f"   {KEYS_HELP}" if sys.stdin.isatty() else "")
        )


def watch_folders(folders: Sequence[Path], put: Callable[[Event], None], stop: threading.Event) -> None:
    """Report ("saved", folders) whenever a file in one of them changes, until ``stop``."""
    try:
        from watchfiles import watch
    except ImportError:
        _poll(folders, put, stop)
        return
    names = {str(folder.resolve()): folder for folder in folders}
    for changes in watch(*names, stop_event=stop, debounce=30, step=10, recursive=True):
        changed = {
            folder
            for _, path in changes
            if _matters(path)
            for name, folder in names.items()
            if path.startswith(name)
        }
        if changed:
            put(("saved", changed))


def await_content(folders: Iterable[Path]) -> None:
    """Wait a moment for sources that are empty to be written."""
    for _ in range(EMPTY_LOOKS):
        files = {name: size for state in _state(folders).values() for name, (_, size) in state.items()}
        if all(size for name, size in files.items() if name.endswith(".asm")):
            return
        time.sleep(EMPTY_PAUSE)


def _matters(path: str) -> bool:
    name = Path(path).name
    return name == "grader.py" or name.endswith((".asm", ".inc", ".mac"))


def _poll(folders: Sequence[Path], put: Callable[[Event], None], stop: threading.Event) -> None:
    before, pause = _state(folders), POLL_INTERVAL
    while not stop.wait(pause):
        began = time.perf_counter()
        now = _state(folders)
        pause = max(POLL_INTERVAL, POLL_PAUSE * (time.perf_counter() - began))
        changed = {folder for folder, state in now.items() if state != before[folder]}
        if changed:
            put(("saved", changed))
        before = now


def _state(folders: Iterable[Path]) -> dict[Path, dict[str, tuple[int, int]]]:
    found: dict[Path, dict[str, tuple[int, int]]] = {}
    for folder in folders:
        entries = found[folder] = {}
        for path in folder.iterdir() if folder.is_dir() else ():
            if _matters(path.name):
                try:
                    status = path.stat()
                except OSError:  # saved by renaming: gone for a moment
                    continue
                entries[path.name] = (status.st_mtime_ns, status.st_size)
    return found


class keyboard:  # noqa: N801 - used as a function: ``with keyboard(put):``
    """Single key presses as ("key", character) events while the block runs; nothing where there is no terminal."""

    def __init__(self, put: Callable[[Event], None]) -> None:
        self._put = put
        self._restore: Callable[[], None] = lambda: None

    def __enter__(self) -> None:
        if not sys.stdin.isatty():
            return
        reader = self._windows() or self._posix()
        if reader is not None:
            threading.Thread(target=reader, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _windows(self) -> Callable[[], None] | None:
        try:
            import msvcrt
        except ImportError:
            return None

        def read() -> None:
            while True:
                self._put(("key", msvcrt.getwch()))  # type: ignore[attr-defined]

        return read

    def _posix(self) -> Callable[[], None] | None:
        try:
            import termios
            import tty
        except ImportError:
            return None
        descriptor = sys.stdin.fileno()
        saved = termios.tcgetattr(descriptor)
        self._restore = lambda: termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)
        tty.setcbreak(descriptor)

        def read() -> None:
            while character := sys.stdin.read(1):
                self._put(("key", character))
            self._put(("end", None))

        return read
