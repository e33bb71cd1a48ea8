"""How fast a class is graded: N students x the eight exercises of chapter 4, against a script of nasm, ld and native runs.

    python tests/benchmarks/class_speed.py [--students 1000] [--memory 10000] [--hostile one|all]

Prints, and asserts nothing: the first grading and its ratio to the native script for the same runs, the second grading
of the same class, a class of which a fifth is hostile (in one of their files, or in all), and the largest worker over
many submissions. Each is told in seconds of wall clock and of CPU (ours, the workers', the native programs'): on a
machine that has other work the second is the one to compare.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.classroom.jobs import GradeJob
from toolkit.classroom.packing import PackedExercise, pack
from toolkit.classroom.session import Settings, make_plan, run_plan
from toolkit.classroom.store import Store
from toolkit.classroom.workers import grade_locally
from toolkit.grading.evidence import FileData, RunRequest
from toolkit.grading.exercise import Course, Exercise, Submission
from toolkit.grading.program import Program
from toolkit.grading.runner import grade_program
from toolkit.grading.sandbox import WorkerSandbox

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "hostile"))
NAMES = (
    "mappings_loop",
    "segfault_badaddr",
    "segfault_readonly",
    "mmap",
    "mmap_write",
    "brk_heap",
    "guard_page",
    "mappings_self",
)
WORKERS = 2


def chapter() -> list[Exercise]:
    course = Course(ROOT / "exercises")
    return [each for each in course.exercises if each.chapter == "ch04" and each.name in NAMES]


def source_of(exercise: Exercise, student: int) -> bytes:
    """Every student's own text: the reference and the mutants in turn, with a comment that no other has."""
    mutants = [path for path in exercise.mutants() if path.suffix == ".asm"]
    choices = [exercise.reference().sources[0].data] * 2 + [path.read_bytes() for path in mutants[:2]]
    return choices[student % len(choices)] + b"\n; student %d\n" % student


def write_class(folder: Path, exercises: list[Exercise], students: int) -> None:
    for student in range(students):
        for exercise in exercises:
            path = folder / f"s{student:05}" / f"{exercise.name}.asm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source_of(exercise, student))


@dataclass
class Cost:
    """Seconds of wall clock, and of CPU of this process and the children that have ended."""

    wall: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.cpu:.1f} s CPU)"

    def ratio(self, other: Cost) -> str:
        return f"{self.wall / other.wall:.2f} ({self.cpu / other.cpu:.2f} of CPU)"


@contextmanager
def measured() -> Iterator[Cost]:
    """The cost of the block, known behind it."""
    cost, began, before = Cost(), time.perf_counter(), sum(os.times()[:4])
    yield cost
    cost.wall, cost.cpu = time.perf_counter() - began, sum(os.times()[:4]) - before


def grade(folder: Path, packed: list[PackedExercise], database: Path) -> dict[tuple[str, str], str]:
    """Every student's result by exercise."""
    settings = Settings("benchmark", workers=WORKERS)
    with Store(str(database)) as store:
        run_plan(make_plan([folder], packed, [], settings), store, settings)
        session = store.session_id("benchmark")
        assert session is not None
        return {
            (each.entry.student, each.entry.exercise): repr(each.result) for each in store.graded(session)
        }


def runs_of(exercise: Exercise, source: bytes, sandbox: WorkerSandbox) -> list[RunRequest]:
    """The runs that the checks make of a program."""
    submission = Submission((FileData(f"{exercise.name}.asm", source),))
    program = Program(exercise.build_request(submission), exercise.options, sandbox)
    grade_program(exercise, program)
    return list(program.requests)


def natively(folder: Path, name: str, source: bytes, requests: list[RunRequest]) -> None:
    """nasm, ld, and each run in a directory of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        text = Path(scratch, f"{name}.asm")
        text.write_bytes(source)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["nasm", "-f", "elf64", str(text), "-o", f"{text}.o"], check=False, **quiet)
        subprocess.run(["ld", f"{text}.o", "-o", f"{scratch}/{name}"], check=False, **quiet)
        for number, request in enumerate(requests):
            place = Path(scratch, str(number))
            place.mkdir()
            for file in request.files:
                (place / file.name).write_bytes(file.data)
            try:
                subprocess.run(
                    [f"{scratch}/{name}", *request.arguments],
                    input=request.stdin,
                    capture_output=True,
                    cwd=place,
                    env={},
                    timeout=2,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                continue


def native_class(exercises: list[Exercise], students: int) -> Cost:
    """The cost of a script that grades the same class natively, as many at a time as there are workers."""
    with WorkerSandbox() as sandbox:
        plans = {
            (exercise.name, kind): runs_of(exercise, source_of(exercise, kind), sandbox)
            for exercise in exercises
            for kind in range(4)
        }
    with measured() as cost, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        kinds = len([kind for name, kind in plans if name == exercises[0].name])
        tasks = [
            pool.submit(
                natively, Path(folder), each.name, source_of(each, student), plans[each.name, student % kinds]
            )
            for student in range(students)
            for each in exercises
        ]
        for task in tasks:
            task.result()
    return cost


def make_hostile(folder: Path, exercises: list[Exercise], students: int, every_file: bool) -> set[str]:
    """Every fifth student hands in programs of the hostile corpus, in one of the files or in all; who.

    The kinds go round; fewer hostile files than kinds are a sample spread over the corpus.
    """
    from corpus import CORPUS

    kinds = [each.source for each in CORPUS.values() if len(each.source) < 1 << 20]
    who = range(0, students, 5)
    files = [
        (student, exercise)
        for number, student in enumerate(who)
        for exercise in (exercises if every_file else [exercises[number % len(exercises)]])
    ]
    step = max(1, len(kinds) // len(files))
    for number, (student, exercise) in enumerate(files):
        source = kinds[number * step % len(kinds)]
        (folder / f"s{student:05}" / f"{exercise.name}.asm").write_bytes(source)
    return {f"s{student:05}" for student in who}


class Gauge(threading.Thread):
    """The largest memory of this process's children, looked at ten times a second (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.largest = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/statm"):
                try:
                    parent = (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
                    if int(parent) == os.getpid():
                        self.largest = max(self.largest, int(path.read_text().split()[1]) << 12)
                except OSError:
                    continue


def largest_worker(packed: list[PackedExercise], exercises: list[Exercise], submissions: int) -> None:
    def jobs():  # type: ignore[no-untyped-def]
        for number in range(submissions):
            which = number % len(exercises)
            source = source_of(exercises[which], number)
            yield GradeJob(packed[which], Submission((FileData(f"{exercises[which].name}.asm", source),)))

    gauge = Gauge()
    gauge.start()
    for number, _ in enumerate(grade_locally(jobs(), WORKERS), 1):
        if number in (submissions // 10, submissions // 2, submissions):
            print(f"  after {number:6,} submissions the largest worker had {gauge.largest / 2**20:6.0f} MiB")
    gauge.done.set()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--memory", type=int, default=1_000, help="submissions of the memory measurement")
    parser.add_argument(
        "--hostile", choices=["one", "all"], default="one", help="of the eight files of a hostile student"
    )
    parser.add_argument("--no-native", action="store_true", help="leave the native script out")
    options = parser.parse_args()
    exercises = chapter()
    packed = [pack(each) for each in exercises]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "class")
        write_class(folder, exercises, options.students)
        with measured() as first:
            grades = grade(folder, packed, Path(scratch, "a.sqlite"))
        print(f"{options.students} students x {len(exercises)} exercises, {WORKERS} workers: {first}")
        with measured() as again:
            grade(folder, packed, Path(scratch, "a.sqlite"))
        print(f"  the same again: {again}")
        hostile = make_hostile(folder, exercises, options.students, options.hostile == "all")
        with measured() as attacked:
            mixed = grade(folder, packed, Path(scratch, "b.sqlite"))
        others = [key for key in grades if key[0] not in hostile]
        same = all(grades[key] == mixed[key] for key in others)
        broken = sum("BROKEN" in each for each in mixed.values())
        print(
            f"  a fifth hostile in {options.hostile} of their files: {attacked}; ratio {attacked.ratio(first)}"
        )
        print(
            f"    the others' grades are {'identical' if same else 'DIFFERENT'}; {broken} of {len(mixed)} results are broken"
        )
        if not options.no_native:
            native = native_class(exercises, options.students)
            print(f"  the native script takes {native}; ratio {first.ratio(native)}")
    if options.memory:
        largest_worker(packed, exercises, options.memory)


if __name__ == "__main__":
    main()
