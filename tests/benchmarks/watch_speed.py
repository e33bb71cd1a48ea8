"""From save to verdict in watch mode: ``python tests/benchmarks/watch_speed.py``. One exercise, warm worker, no terminal.

The time runs from the moment the file is closed until the last line of the verdict is read from the pipe. ``--strict``: exit
status 1 when the median is over the target.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = 0.150  # seconds
SAVES = 20
EXERCISES = ("ch02/hello", "ch02/io_library", "ch04/mmap")


def measure(exercise: str, folder: Path) -> list[float]:
    """Seconds from each save to its verdict; starter and reference take turns, so that each save changes something."""
    home = folder / "exercises" / exercise
    shutil.copytree(ROOT / "exercises" / exercise, home)
    name = exercise.split("/")[1]
    source = home / f"{name}.asm"
    versions = [(home / "reference" / f"{name}.asm").read_bytes(), source.read_bytes()]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "toolkit", "check", exercise, "--watch"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = []
    try:
        verdict(process, passed=0)
        for number in range(SAVES):
            time.sleep(0.3)  # a student's pause, and the notifier's
            source.write_bytes(versions[number % 2] + b"\n" * number)
            began = time.perf_counter()
            verdict(process, passed=1 - number % 2)
            found.append(time.perf_counter() - began)
    finally:
        process.kill()
        process.wait()
    return found


def verdict(process: subprocess.Popen[str], passed: int) -> None:
    """Read until the line that ends this verdict: a save that is noticed twice gives the one before once more."""
    assert process.stdout is not None
    for line in process.stdout:
        if f"{passed} of 1 passed" in line:
            return
    raise SystemExit("toolkit check --watch ended")


def main() -> None:
    missed = False
    with tempfile.TemporaryDirectory() as name:
        for exercise in EXERCISES:
            times = measure(exercise, Path(name))
            median = statistics.median(times)
            missed |= median > TARGET
            print(
                f"save to verdict, {exercise:<18} median {median * 1000:6.1f} ms   best {min(times) * 1000:6.1f} ms"
                f"   worst {max(times) * 1000:6.1f} ms   target {TARGET * 1000:.0f} ms  {'MISSED' if median > TARGET else 'ok'}",
                flush=True,
            )
    if "--strict" in sys.argv:
        sys.exit(missed)


if __name__ == "__main__":
    main()
