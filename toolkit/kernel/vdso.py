"""The vDSO: the small shared library that the kernel maps into every program (vdso(7)).

Linux's reads the time from [vvar] without a system call. Ours asks the kernel each time, so that there is one
clock; the names, versions and calling conventions are Linux's, which is what libc looks for. `image` builds the
library from the table below; each row's assembly is its source, and a test holds the bytes to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from toolkit.abi.memory import PAGE_SIZE
from toolkit.kernel.vdso_image import Symbol, build

SIZE = 2 * PAGE_SIZE


@dataclass(frozen=True, slots=True)
class Function:
    """One exported function: its names with their version, assembly source and machine code."""

    names: tuple[str, ...]
    version: str
    source: str
    code: str


def call_64(name: str, number: int) -> Function:
    """A function whose arguments are already where the system call takes them."""
    source = f"mov eax, {number}\nsyscall\nret"
    names = (f"__vdso_{name}", name)
    return Function(names, "LINUX_2.6", source, f"b8{number.to_bytes(4, 'little').hex()}0f05c3")


def call_32(name: str, number: int) -> Function:
    """A cdecl function of up to three arguments; EBX is its caller's."""
    source = (
        f"push ebx\nmov ebx, [esp+8]\nmov ecx, [esp+12]\nmov edx, [esp+16]\nmov eax, {number}\n"
        "int 0x80\npop ebx\nret"
    )
    code = f"538b5c24088b4c240c8b542410b8{number.to_bytes(4, 'little').hex()}cd805bc3"
    return Function((f"__vdso_{name}",), "LINUX_2.6", source, code)


# The unwinders of gdb and gcc know the two returns from a signal handler by these very bytes.
FUNCTIONS = {
    64: (
        call_64("gettimeofday", 96),
        call_64("clock_gettime", 228),
        call_64("time", 201),
        call_64("getcpu", 309),
        call_64("clock_getres", 229),
    ),
    32: (
        Function(("__kernel_vsyscall",), "LINUX_2.5", "int 0x80\nret", "cd80c3"),
        Function(
            ("__kernel_sigreturn",), "LINUX_2.5", "pop eax\nmov eax, 119\nint 0x80\nnop", "58b877000000cd8090"
        ),
        Function(("__kernel_rt_sigreturn",), "LINUX_2.5", "mov eax, 173\nint 0x80\nnop", "b8ad000000cd8090"),
        call_32("gettimeofday", 78),
        call_32("time", 13),
        call_32("clock_gettime", 265),
        call_32("clock_gettime64", 403),
        call_32("clock_getres", 266),
        call_32("getcpu", 318),
    ),
}
SONAMES = {64: "linux-vdso.so.1", 32: "linux-gate.so.1"}
VERSIONS = {64: ("LINUX_2.6",), 32: ("LINUX_2.5", "LINUX_2.6")}


@cache
def image(bits: int) -> bytes:
    """The ELF image of the vDSO for 64- or 32-bit programs: two pages, as on Linux 6.18."""
    symbols = [
        Symbol(function.names, function.version, bytes.fromhex(function.code)) for function in FUNCTIONS[bits]
    ]
    data = build(bits, SONAMES[bits], VERSIONS[bits], symbols)
    if len(data) > SIZE:
        raise AssertionError(f"the vDSO has {len(data)} bytes: its area holds {SIZE}")
    return data.ljust(SIZE, b"\0")
