"""Speed and costs of the machine beside the host's own CPU, measured in the same run: python machine_speed.py

Loops are run natively by the helper of the differential tests where gcc and x86-64 Linux are found.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine.oracle import DATA, Case, Native, set_up

from toolkit.machine import Machine

# name → (code that ends in int3, instructions a turn; ECX holds the turns), with EBX etc. from REGISTERS
LOOPS = {
    "integer": ("01d8 31d0 ffc0 01c2 ffc9 75f4 cc", 6),
    "load and store": ("8b07 01d0 8907 ffc9 75f6 cc", 5),
    "push and pop": ("50 5a ffc9 75fa cc", 4),
    "call and ret": ("e805000000 ffc9 75f7 cc c3", 4),
    "SSE2 scalar": ("f20f58c1 f20f59c2 ffc9 75f4 cc", 4),
    "aligned SSE load": ("0f2807 0f58c8 ffc9 75f6 cc", 4),
}
REGISTERS = {"rbx": 3, "rdi": DATA}


Clock = Callable[[], float]


def best(action: Callable[[], object], times: int = 3, clock: Clock = time.process_time) -> float:
    """The shortest of a few durations, in seconds: of this process's CPU, or by another clock."""
    durations = []
    for _ in range(times):
        start = clock()
        action()
        durations.append(clock() - start)
    return min(durations)


def rate(
    run: Callable[[Case], object], code: bytes, per_turn: int, turns: int, clock: Clock = time.process_time
) -> float:
    """Million instructions a second, start-up taken out by a run of one turn."""
    long = Case(code, REGISTERS | {"rcx": turns})
    short = Case(code, REGISTERS | {"rcx": 1})
    return (
        per_turn
        * turns
        / max(best(lambda: run(long), 3, clock) - best(lambda: run(short), 3, clock), 1e-9)
        / 1e6
    )


def loops(machine: Machine, native: Native | None) -> None:
    def emulated(budget: int | None) -> Callable[[Case], object]:
        def run(case: Case) -> object:
            set_up(machine, case)
            return machine.run(budget)

        return run

    print(f"{'million instructions/s':26}{'native':>10}{'free':>10}{'budget':>10}")
    for name, (hexadecimal, per_turn) in LOOPS.items():
        code = bytes.fromhex(hexadecimal)
        turns = 200_000 if "aligned" in name else 10_000_000
        natively = (
            rate(native.run, code, per_turn, 100_000_000, time.perf_counter) if native else float("nan")
        )
        free = rate(emulated(None), code, per_turn, turns)
        counted = rate(emulated(1 << 40), code, per_turn, min(turns, 1_000_000))
        print(f"{name:26}{natively:10.0f}{free:10.0f}{counted:10.0f}")


def costs(machine: Machine) -> None:
    def each(name: str, action: Callable[[], object], number: int = 10_000) -> None:
        def repeat() -> None:
            for _ in range(number):
                action()

        print(f"{name:40}{best(repeat) / number * 1e6:10.2f} µs")

    each("a new machine", lambda: Machine(64 << 20), 20)
    each("reset, 32 frames", lambda: machine.reset(32), 1000)
    hello = Case(bytes.fromhex("b827000000 0f05 ebf7"))
    each("reset, world, one system call", lambda: (set_up(machine, hello), machine.run()), 1000)
    set_up(machine, hello)
    each("system call round trip", machine.run)
    each("the same with a budget", lambda: machine.run(1000))
    each("single step", machine.single_step)
    saved = machine.save_context()
    each("save_context", machine.save_context)
    each("restore_context", lambda: machine.restore_context(saved))
    image = machine.fpu_state()
    each("fpu_state", machine.fpu_state)
    each("set_fpu_state", lambda: machine.set_fpu_state(image))
    each("set_page_table", lambda: machine.set_page_table(20 * 4096))
    each("flush_tlb", machine.flush_tlb)
    fault = Case(bytes.fromhex("8a042500000000"))
    set_up(machine, fault)
    each("page fault round trip", machine.run)


LIBC = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int numbers[100000]; static char text[4096], other[4096];
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
    unsigned seed = 1; unsigned long sum = 0;
    for (int i = 0; i < 100000; i++) numbers[i] = (seed = seed * 1103515245 + 12345) >> 1;
    qsort(numbers, 100000, sizeof *numbers, compare);
    for (int i = 0; i < 2000; i++) { memset(text, 'a' + i % 26, 4000); strcpy(other, text); sum += strlen(other); }
    printf("%lu\\n", sum);
    return 0;
}
"""


def libc_program(folder: Path) -> None:
    """A static glibc program, which has dozens of watched SSE operands, with a budget and without."""
    from toolkit.kernel.kernel import Kernel

    (folder / "libc.c").write_text(LIBC)
    subprocess.run(["gcc", "-O2", "-static", "-o", folder / "libc", folder / "libc.c"], check=True)
    image, machine = (folder / "libc").read_bytes(), Machine()
    executed = 0

    def run(budget: int | None) -> None:
        nonlocal executed
        with Kernel(machine) as kernel:
            kernel.spawn(image, ["libc"], {}, name="libc")
            executed = kernel.run(budget).instructions

    free, counted = best(lambda: run(None)), best(lambda: run(1 << 40))
    natively = best(
        lambda: subprocess.run([folder / "libc"], check=True, stdout=subprocess.DEVNULL), 3, time.perf_counter
    )
    rates = "".join(f"{executed / seconds / 1e6:10.0f}" for seconds in (natively, free, counted))
    print(f"{'glibc: qsort and strings':26}{rates}")


def main() -> None:
    machine = Machine(64 << 20)
    supported = platform.system() == "Linux" and platform.machine() == "x86_64" and shutil.which("gcc")
    with tempfile.TemporaryDirectory() as folder:
        native = Native(Path(folder)) if supported else None
        loops(machine, native)
        if native:
            libc_program(Path(folder))
        costs(machine)
        if native:
            case = Case(b"\xcc")
            print(
                f"{'native: fork, ptrace, one trap':40}{best(lambda: native.run(case), 50, time.perf_counter) * 1e6:10.2f} µs"
            )
            native.close()


if __name__ == "__main__":
    main()
