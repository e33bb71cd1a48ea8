"""From save to verdict in watch mode: ``python tests/benchmarks/watch_speed.py``. One exercise, warm worker, no terminal.

The time runs from the moment the file is closed until the last line of the verdict is read from the pipe. An exercise is saved in
turn as it is given out and solved; the I/O library, which is graded function by function, also as it grows, a function
at a time. ``--all``: every exercise, solved, after a few saves. ``--strict``: exit status 1 when a median is over the target.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = 0.150  # seconds
ROUNDS = 10
PAUSE = 0.2  # seconds: a student's, and the notifier's
EXERCISES = ("ch02/hello", "ch04/mmap")
LIBRARY = "ch02/io_library"
FUNCTION = re.compile(rb"(?m)^([a-z_]+):")


class Watched:
    """An exercise under ``toolkit check --watch``."""

    def __init__(self, exercise: str, folder: Path) -> None:
        self.home = folder / "exercises" / exercise
        shutil.copytree(ROOT / "exercises" / exercise, self.home)
        name = exercise.split("/")[1]
        self._source = self.home / f"{name}.asm"
        self.starter = self._source.read_bytes()
        self.solution = (self.home / "reference" / f"{name}.asm").read_bytes()
        for extra in (self.home / "reference").glob("*.asm"):  # the other files of a solution in several
            shutil.copy(extra, self.home)
        self._saves = 0
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "toolkit", "check", exercise, "--watch"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.verdict()

    def save(self, text: bytes) -> float:
        """Seconds from the save to its verdict. Each save changes something, if only an empty line.

        The file is put in the old one's place, as editors do: one written in place may be noticed, and graded, twice.
        """
        time.sleep(PAUSE)
        self._saves += 1
        written = self._source.with_suffix(".saved")
        written.write_bytes(text + b"\n" * self._saves)
        written.replace(self._source)
        began = time.perf_counter()
        self.verdict()
        return time.perf_counter() - began

    def verdict(self) -> str:
        """The line that ends a verdict. SystemExit when there will be none."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "of 1 passed" in line:
                return line
        raise SystemExit("toolkit check --watch ended")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def growing(starter: bytes, solution: bytes) -> Iterator[bytes]:
    """The starter with more and more of the solution's functions in their place, the last time all of them."""
    given, solved = functions(starter), functions(solution)
    head = solution[: min(solution.index(b"\n" + body) for body in solved.values()) + 1]
    order = [name for name in given if name in solved]
    for count in range(len(order)):
        done = {name for name in solved if name in order[: count + 1] or name not in given}
        yield head + b"\n".join(solved[name] if name in done else given[name] for name in solved)
    yield solution


def functions(source: bytes) -> dict[bytes, bytes]:
    """Name → text, from each label at the beginning of a line to the next one."""
    places = [*FUNCTION.finditer(source)]
    ends = [*(place.start() for place in places[1:]), len(source)]
    return {place[1]: source[place.start() : end] for place, end in zip(places, ends, strict=True)}


def show(what: str, times: Sequence[float]) -> bool:
    """Print a line; whether the target was missed."""
    median = statistics.median(times)
    missed = median > TARGET
    print(
        f"save to verdict, {what:<44} median {median * 1000:6.1f} ms   best {min(times) * 1000:6.1f} ms"
        f"   worst {max(times) * 1000:6.1f} ms   target {TARGET * 1000:.0f} ms  {'MISSED' if missed else 'ok'}",
        flush=True,
    )
    return missed


def two_states(exercise: str, folder: Path) -> bool:
    watched = Watched(exercise, folder)
    try:
        times = [watched.save(text) for _ in range(ROUNDS) for text in (watched.solution, watched.starter)]
    finally:
        watched.close()
    return show(exercise, times)


def library_states(folder: Path) -> bool:
    watched = Watched(LIBRARY, folder)
    try:
        states = [watched.starter, *growing(watched.starter, watched.solution)]
        watched.save(watched.solution)
        times = [[watched.save(state) for state in states] for _ in range(ROUNDS // 2)]
        solved = [watched.save(watched.solution) for _ in range(ROUNDS)]
    finally:
        watched.close()
    by_state = list(zip(*times, strict=True))
    missed = show(f"{LIBRARY}, {len(states)} states", [each for state in by_state for each in state])
    slowest = max(by_state, key=statistics.median)
    missed |= show(f"{LIBRARY}, state {by_state.index(slowest)}, the slowest", slowest)
    return show(f"{LIBRARY}, all checks passed", solved) or missed


def every_exercise(folder: Path) -> bool:
    missed = False
    for path in sorted((ROOT / "exercises").glob("*/*/grader.py")):
        exercise = f"{path.parent.parent.name}/{path.parent.name}"
        if not (path.parent / "reference").is_dir():
            continue
        watched = Watched(exercise, folder)
        try:
            times = [watched.save(watched.solution) for _ in range(4)][1:]
        finally:
            watched.close()
        missed |= show(f"{exercise}, solved", times)
    return missed


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "--all" in sys.argv:
            missed = every_exercise(folder)
        else:
            missed = any([*(two_states(exercise, folder) for exercise in EXERCISES), library_states(folder)])
    if "--strict" in sys.argv:
        sys.exit(missed)


if __name__ == "__main__":
    main()
