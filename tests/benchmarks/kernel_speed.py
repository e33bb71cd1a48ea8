"""How fast system calls and programs run here, beside Linux on the same machine: `python tests/benchmarks/kernel_speed.py`."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine

GETPID = "mov r12d, {n}\n.l: mov eax, 39\n syscall\n dec r12d\n jnz .l\n mov eax, 60\n xor edi, edi\n syscall"
WRITE = (
    "mov r12d, {n}\n.l: mov eax, 1\n mov edi, 1\n lea rsi, [rel _start]\n mov edx, 1\n syscall\n dec r12d\n jnz .l\n"
    " mov eax, 60\n xor edi, edi\n syscall"
)
EXIT = "mov eax, 60\n xor edi, edi\n syscall"
HELLO = '#include <stdio.h>\nint main(void) { printf("hello\\n"); return 0; }\n'
PING_PONG = """#include <unistd.h>
int main(void) {
    int a[2], b[2]; char c = 0;
    pipe(a); pipe(b);
    if (!fork()) { for (int i = 0; i < 2000; i++) { read(a[0], &c, 1); write(b[1], &c, 1); } _exit(0); }
    for (int i = 0; i < 2000; i++) { write(a[1], &c, 1); read(b[0], &c, 1); }
    return 0;
}
"""


def assemble(folder: Path, name: str, body: str) -> Path:
    """nasm and ld."""
    (folder / f"{name}.asm").write_text(f"global _start\nsection .text\n_start:\n{body}\n")
    subprocess.run(["nasm", "-f", "elf64", folder / f"{name}.asm", "-o", folder / f"{name}.o"], check=True)
    subprocess.run(["ld", "-o", folder / name, folder / f"{name}.o"], check=True)
    return folder / name


def compile_c(folder: Path, name: str, text: str, *flags: str) -> Path:
    """gcc."""
    (folder / f"{name}.c").write_text(text)
    subprocess.run(["gcc", "-O2", "-w", *flags, "-o", folder / name, folder / f"{name}.c"], check=True)
    return folder / name


def here(machine: Machine, program: Path, mounts: bool, budget: int | None) -> float:
    """Processor seconds of one run, kernel included: other work on the machine does not count."""
    image = program.read_bytes()
    start = time.process_time()
    with Kernel(machine, mounts={"/": "/"} if mounts else {}, directory="/tmp/here") as kernel:
        kernel.spawn(image, [program.name], {}, name=program.name)
        outcome = kernel.run(budget)
    if outcome.status != 0:
        raise SystemExit(f"{program.name}: {outcome}")
    return time.process_time() - start


def there(program: Path) -> float:
    """Processor seconds of one run on Linux, process start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def best(measure: Callable[[], float], least: int = 5, seconds: float = 0.1) -> float:
    """The shortest of several: of as many short ones as it takes Python to adapt itself to them."""
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        times.append(measure())
    return min(times)


def main() -> None:
    """Print one line a measurement: ours, native, the target."""
    machine = Machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = 20_000
        exit_program = assemble(folder, "exit", EXIT)
        rows = [
            ("one more run of a small program", exit_program, 1, 500.0, False),
            ("getpid", assemble(folder, "getpid", GETPID.format(n=calls)), calls, 6.0, False),
            ("write of one byte", assemble(folder, "write", WRITE.format(n=calls)), calls, 12.0, False),
            ("glibc static hello", compile_c(folder, "static", HELLO, "-static"), 1, 15_000.0, False),
            ("glibc dynamic hello", compile_c(folder, "dynamic", HELLO), 1, 60_000.0, True),
            ("pipe round trip", compile_c(folder, "pipes", PING_PONG, "-static"), 2000, 60.0, False),
        ]
        print(f"{'what':<34}{'ours µs':>12}{'native µs':>12}{'target µs':>12}")
        for label, program, count, target, mounts in rows:
            for budget in (None, 10**9):
                ours = best(partial(here, machine, program, mounts, budget)) / count * 1e6
                native = best(partial(there, program)) / count * 1e6
                counted = " (counted)" if budget else ""
                print(f"{label + counted:<34}{ours:>12.2f}{native:>12.2f}{target:>12.1f}")


if __name__ == "__main__":
    main()
