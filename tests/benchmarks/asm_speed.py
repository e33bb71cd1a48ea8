"""How fast programs are assembled and linked, beside nasm and ld in the same run: ``python tests/benchmarks/asm_speed.py``.

Beside processes times are wall-clock; what runs in one process alone is counted in its CPU time, which on an idle machine is
the same. Each is the best of several. With ``--strict`` the exit status is 1 when a target is missed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.asm.moving_programs import falling_waves
from toolkit.asm import assemble, build

ROOT = Path(__file__).parents[2]
REPEATS = 5
ASSEMBLER = "encode, layout, layout_run, layout_format, preprocess, reports, elfwrite"


@dataclass(frozen=True)
class Row:
    """One figure and what it should not exceed, in ``unit``."""

    what: str
    figure: float
    target: float
    unit: str

    def __str__(self) -> str:
        verdict = "ok" if self.figure <= self.target else "MISSED"
        return f"{self.what:<76} {self.figure:9.3f}  target {self.target:8.3f} {self.unit:<3} {verdict}"


def best(
    action: Callable[[], object], times: int = REPEATS, clock: Callable[[], float] = time.process_time
) -> float:
    """The shortest of several runs, in seconds."""
    found = []
    for _ in range(times):
        began = clock()
        action()
        found.append(clock() - began)
    return min(found)


def with_processes(path: Path, folder: Path) -> Callable[[], bool]:
    """nasm and ld on one program; False where they refuse it."""

    def run() -> bool:
        target = folder / "a.o"
        nasm = ["nasm", "-f", "elf64", path.name, "-o", str(target)]
        if subprocess.run(nasm, cwd=path.parent, capture_output=True, check=False).returncode:
            return False
        ld = ["ld", str(target), "-o", str(folder / "a")]
        return subprocess.run(ld, capture_output=True, check=False).returncode == 0

    return run


def programs() -> Iterator[Path]:
    for folder in ("exercises", "tests"):
        yield from sorted((ROOT / folder).rglob("*.asm"))


def repository(folder: Path) -> Iterator[Row]:
    """The median over the repository's programs that nasm and ld accept."""
    ours, theirs = [], []
    for path in programs():
        native = with_processes(path, folder)
        if not native():
            continue
        theirs.append(best(native, 2, time.perf_counter))
        os.chdir(path.parent)
        ours.append(best(lambda path=path: build([Path(path.name)]), 3, time.perf_counter))  # type: ignore[misc]
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(
        f"{len(ours)} programs, median: {statistics.median(ours) * 1e3:.2f} ms here, "
        f"{statistics.median(theirs) * 1e3:.2f} ms as processes"
    )
    yield Row("assemble + link, share of `nasm` + `ld` as processes", ratio, 0.25, "")


def one_program() -> Row:
    path = ROOT / "exercises" / "ch04" / "mappings_loop" / "reference" / "mappings_loop.asm"
    text = path.read_text()
    build(text)
    return Row("mappings_loop, assemble + link, warm", best(lambda: build(text), 20) * 1e3, 1.5, "ms")


def long_program(lines: int) -> str:
    """A program of so many lines: jumps that go both ways, data, calls, strings and macros."""
    body = [
        "global _start",
        "section .text",
        "%macro save 1",
        "push %1",
        "%endmacro",
        "_start:",
    ]
    number = 0
    while len(body) < lines - 10:
        body += [
            f"f{number}:",
            f"    mov eax, {number}",
            f"    cmp eax, [rel d{number}]",
            "    je .end",
            f"    lea rsi, [rbx+rcx*8+{number % 300}]",
            "    save rsi",
            f"    add qword [rsp+{number % 90 * 8}], {number % 200}",
            f"    call f{number // 2}",
            "    pop rsi",
            f"    jmp f{max(number - 1, 0)}",
            ".end: ret",
            "section .data",
            f"d{number}: dd {number}, 'abc', f{number}",
            "section .text",
        ]
        number += 1
    return "\n".join(body) + "\n"


def long_programs() -> Iterator[Row]:
    times, passes = {}, {}
    for lines in (10_000, 20_000):
        text = long_program(lines)
        first = assemble(text)
        assert first.object is not None
        passes[lines] = first.passes
        times[lines] = best(lambda text=text: assemble(text), 3)  # type: ignore[misc]
    yield Row("a 20,000-line program", times[20_000], 4, "s")
    ratio = times[20_000] / passes[20_000] / (times[10_000] / passes[10_000])
    what = f"a pass over 20,000 lines, of 10,000 (2: linear; {passes[20_000]} and {passes[10_000]} passes)"
    yield Row(what, ratio, 2.5, "")
    data = "db " + "1," * 1_500_000 + "1\n"
    yield Row("3 MB of numbers on one line", best(lambda: assemble(data), 1), 30, "s")


def chained_waves(lines: int) -> str:
    """Jumps that grow one after the other, a pass each, all through the program; fewer labels move the longer that goes on."""
    steps = written = 0
    while written < lines:
        steps, written = steps + 1, written + 5 + steps // 900
    return falling_waves(steps)


def scaling(folder: Path) -> Iterator[Row]:
    """Seconds by the number of lines; nasm's as long as it takes no more than some seconds."""
    for name, make, patience in (("ordinary", long_program, 40_000), ("chained waves", chained_waves, 5_000)):
        times = {}
        for lines in (5_000, 10_000, 20_000, 40_000):
            source = folder / "scaling.asm"
            source.write_text(make(lines))
            result = assemble(source)
            assert result.object is not None
            times[lines] = best(lambda source=source: assemble(source), 2)  # type: ignore[misc]
            text = f"{name}, {lines:,} lines, {result.passes:,} passes: {times[lines]:.2f} s here"
            if shutil.which("nasm") and lines <= patience:
                command = ["nasm", "-f", "elf64", str(source), "-o", str(folder / "scaling.o")]
                run = lambda command=command: subprocess.run(command, check=True)  # noqa: E731
                text += f", {best(run, 1, time.perf_counter):.2f} s nasm"
            print(text)
        yield Row(f"{name}: 40,000 lines, of 20,000 (2: linear)", times[40_000] / times[20_000], 2.5, "")


def fresh(code: str) -> float:
    """Seconds ``code`` prints in a process of its own, once its modules have been compiled as an installation has them; the best."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(REPEATS + 1):  # the first compiles
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
            found.append(float(done.stdout))
    return min(found[1:])


def imports() -> Iterator[Row]:
    timed = "import time; t = time.process_time()\n{}\nprint(time.process_time() - t)"
    yield Row("import toolkit.asm", fresh(timed.format("import toolkit.asm")) * 1e3, 80, "ms")
    everything = fresh(timed.format(f"from toolkit.asm import {ASSEMBLER}")) * 1e3
    yield Row("import of every module of the assembler", everything, 80, "ms")
    first = "import toolkit.asm\ntoolkit.asm.build('global _start\\n_start: mov eax, 60\\nsyscall\\n')"
    yield Row("import and the first program, linked", fresh(timed.format(first)) * 1e3, 150, "ms")


def main() -> int:
    rows = [*imports(), one_program(), *long_programs()]
    with tempfile.TemporaryDirectory() as folder:
        rows += scaling(Path(folder))
    if shutil.which("nasm") and shutil.which("ld"):
        with tempfile.TemporaryDirectory() as folder:
            rows += repository(Path(folder))
    else:
        print("no nasm or ld here: their share is not measured")
    print(*rows, sep="\n")
    return int("--strict" in sys.argv and any(row.figure > row.target for row in rows))


if __name__ == "__main__":
    sys.exit(main())
