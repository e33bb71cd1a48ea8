"""How fast memory calls, faults and fork are, beside native Linux in the same run.

Run: python tests/benchmarks/memory_speed.py. Each line: what, ours, native, target; times are processor time. Needs nasm, ld and x86-64 Linux.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine

AREAS = 30_000
MAP_UNMAP = """
global _start
section .text
_start: xor ebx, ebx
.map:   mov eax, 9              ; alternate rights, so that neighbours stay apart
        xor edi, edi
        mov esi, 4096
        mov edx, ebx
        and edx, 1
        mov r10d, 0x22
        mov r8, -1
        xor r9d, r9d
        syscall
        push rax
        inc ebx
        cmp ebx, 30000
        jb .map
.unmap: pop rdi
        mov eax, 11
        mov esi, 4096
        syscall
        dec ebx
        jnz .unmap
        mov eax, 60
        xor edi, edi
        syscall
"""
RESERVE = """
global _start
section .text
_start: mov eax, 9
        xor edi, edi
        mov rsi, 64 << 30
        mov edx, 3
        mov r10d, 0x4022
        mov r8, -1
        xor r9d, r9d
        syscall
        mov eax, 60
        xor edi, edi
        syscall
"""
TOUCH = """
global _start
section .text
_start: mov eax, 9
        xor edi, edi
        mov esi, {pages} * 4096
        mov edx, 3
        mov r10d, 0x22
        mov r8, -1
        xor r9d, r9d
        syscall
        mov ecx, {pages}
.next:  mov byte [rax], 1
        add rax, 4096
        dec ecx
        jnz .next
{then}
        mov eax, 60
        xor edi, edi
        syscall
"""
FORK = """
        mov eax, 57
        syscall
        test eax, eax
        jz .child
        mov edi, eax
        xor esi, esi
        xor edx, edx
        xor r10d, r10d
        mov eax, 61
        syscall
.child:
"""


def build(folder: Path, name: str, source: str) -> Path:
    (folder / f"{name}.asm").write_text(source)
    subprocess.run(["sh", "-c", f"nasm -f elf64 {name}.asm && ld -o {name} {name}.o"], cwd=folder, check=True)
    return folder / name


def seconds(action: Callable[[], object]) -> float:
    """Processor time of this process, which other load on the machine does not lengthen."""
    start = time.process_time()
    action()
    return time.process_time() - start


def native_seconds(program: Path) -> float:
    """Processor time of the program less that of an empty one."""
    return max(child_seconds([program]) - child_seconds(["/bin/true"]), 0.0)


def child_seconds(command: list[str | Path]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Ours:
    """One machine; times of system calls by name."""

    def __init__(self) -> None:
        self.machine = Machine()

    def run(self, program: Path, times: dict[str, list[float]] | None = None) -> float:
        with Kernel(self.machine, uid=0, gid=0) as kernel:
            kernel.spawn(program.read_bytes())
            if times is not None:
                _watch(kernel, times)
            elapsed = seconds(kernel.run)
            self.high_water = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        return elapsed


def _watch(kernel: Kernel, times: dict[str, list[float]]) -> None:
    """Note how long each memory call takes, from inside the address space's methods."""
    space = kernel.processes.main.memory
    for name in times:
        method = getattr(space, name)

        def timed(*arguments: object, name: str = name, method: Callable[..., object] = method) -> object:
            start = time.process_time()
            result = method(*arguments)
            times[name].append(time.process_time() - start)
            return result

        setattr(space, name, timed)


def line(what: str, ours: str, native: str, target: str) -> None:
    print(f"{what:<58}{ours:>18}{native:>18}{target:>18}")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> int:
    ours = Ours()
    line("", "ours", "native", "target")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build(folder, "areas", MAP_UNMAP)
        times: dict[str, list[float]] = {"mmap": [], "munmap": []}
        ours.run(program, times)
        elapsed = min(ours.run(program) for _ in range(3))
        line(
            "30,000 areas mapped and unmapped one by one",
            f"{elapsed:.2f} s",
            f"{native_seconds(program):.3f} s",
            "<= 3 s",
        )
        for call, each in times.items():
            first, last = sorted(each[:1000])[500], sorted(each[-1000:])[500]
            line(f"  {call}: last thousand / first thousand (medians)", f"{last / first:.2f}", "", "<= 1.5")
        reserve = build(folder, "reserve", RESERVE)
        times = {"mmap": []}
        before = resident_bytes()
        ours.run(reserve, times)
        grown = (resident_bytes() - before) >> 10
        line("64 GiB NORESERVE", f"{times['mmap'][0] * 1e3:.3f} ms, +{grown} KiB", "", "<= 1 ms")
        pages = 65_536
        touch = build(folder, "touch", TOUCH.format(pages=pages, then=""))
        before = resident_bytes()
        elapsed = min(ours.run(touch) for _ in range(2))
        native = native_seconds(touch)
        line(
            "touching 256 MiB, a fault",
            f"{elapsed / pages * 1e6:.1f} us",
            f"{native / pages * 1e6:.2f} us",
            "<= 30 us",
        )
        line("  host memory / resident", f"{(ours.high_water - before) / (pages * 4096):.2f}", "", "<= 1.2")
        fork = build(folder, "fork", TOUCH.format(pages=10_000, then=FORK))
        times = {"clone": []}
        for _ in range(5):
            ours.run(fork, times)
        line("fork with 10,000 resident pages", f"{min(times['clone']) * 1e3:.1f} ms", "", "<= 15 ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
