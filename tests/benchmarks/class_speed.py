"""How fast a class is graded: N students x the eight exercises of chapter 4, against a script of nasm, ld and native runs.

    python tests/benchmarks/class_speed.py [--students 1000] [--memory 10000]

Prints, and asserts nothing: the first grading and its ratio to the native script for the same runs, the second grading
of the same class, a class of which a fifth is hostile, and the largest worker over many submissions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
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


def grade(
    folder: Path, packed: list[PackedExercise], database: Path
) -> tuple[float, dict[tuple[str, str], str]]:
    """Seconds, and every student's status by exercise."""
    began = time.perf_counter()
    settings = Settings("benchmark", workers=WORKERS)
    with Store(str(database)) as store:
        run_plan(make_plan([folder], packed, [], settings), store, settings)
        session = store.session_id("benchmark")
        assert session is not None
        found = {
            (each.entry.student, each.entry.exercise): repr(each.result) for each in store.graded(session)
        }
    return time.perf_counter() - began, found


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


def native_class(exercises: list[Exercise], students: int) -> float:
    """Seconds of a script that grades the same class natively, as many at a time as there are workers."""
    with WorkerSandbox() as sandbox:
        plans = {
            (exercise.name, kind): runs_of(exercise, source_of(exercise, kind), sandbox)
            for exercise in exercises
            for kind in range(4)
        }
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        began = time.perf_counter()
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
        return time.perf_counter() - began


def make_hostile(folder: Path, exercises: list[Exercise], students: int) -> set[str]:
    """Every fifth student hands in one program of the hostile corpus among the ordinary ones; who."""
    from corpus import CORPUS

    kinds = [each.source for each in CORPUS.values() if len(each.source) < 1 << 20]
    for number, student in enumerate(range(0, students, 5)):
        exercise = exercises[number % len(exercises)]
        (folder / f"s{student:05}" / f"{exercise.name}.asm").write_bytes(kinds[number % len(kinds)])
    return {f"s{student:05}" for student in range(0, students, 5)}


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
                    text = (path.parent / "cmdline").read_bytes()
                    if b"toolkit.grading.worker" in text:
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
    options = parser.parse_args()
    exercises = chapter()
    packed = [pack(each) for each in exercises]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "class")
        write_class(folder, exercises, options.students)
        first, grades = grade(folder, packed, Path(scratch, "a.sqlite"))
        again, _ = grade(folder, packed, Path(scratch, "a.sqlite"))
        native = native_class(exercises, options.students)
        print(f"{options.students} students x {len(exercises)} exercises, {WORKERS} workers")
        print(
            f"  graded in {first:.1f} s; the native script takes {native:.1f} s; ratio {first / native:.2f}"
        )
        print(f"  the same again: {again:.2f} s")
        hostile = make_hostile(folder, exercises, options.students)
        seconds, mixed = grade(folder, packed, Path(scratch, "b.sqlite"))
        others = [key for key in grades if key[0] not in hostile]
        same = all(grades[key] == mixed[key] for key in others)
        print(f"  a fifth hostile: {seconds:.1f} s; ratio {seconds / first:.2f}; the others' grades are {'identical' if same else 'DIFFERENT'}")  # fmt: skip
    largest_worker(packed, exercises, options.memory)


if __name__ == "__main__":
    main()
