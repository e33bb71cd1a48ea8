"""What a personality is made of: the address layout and the calling convention of its system calls."""

from __future__ import annotations

from dataclasses import dataclass

GAP_MINIMUM = 128 << 20
STACK_GUARD_GAP = 256 << 12


@dataclass(frozen=True, slots=True)
class Layout:
    """Where Linux puts things in an address space when randomisation is off (arch/x86/mm/mmap.c, elf.h).

    All fields are addresses or sizes in bytes.
    """

    bits: int
    task_size: int
    """End of the user's address space: the first address that can't be mapped."""
    stack_top: int
    """The end of the ``[stack]`` area."""
    mmap_min_address: int
    """vm.mmap_min_addr."""
    et_dyn_base: int
    """ELF_ET_DYN_BASE: where an interpreted position-independent program goes."""
    vdso_pages: int
    vvar_pages: int
    vvar_clock_pages: int
    vsyscall: int | None
    """Address of the legacy vsyscall page; None where there is none (i386)."""

    def mmap_base(self, stack_limit: int = 8 << 20) -> int:
        """The end of the area that mmap fills downwards, for a stack limit in bytes (mmap_base() in mmap.c)."""
        gap = stack_limit + STACK_GUARD_GAP
        gap = min(max(gap, GAP_MINIMUM), self.task_size // 6 * 5)
        return (self.task_size - gap + 4095) & ~4095


@dataclass(frozen=True, slots=True)
class Personality:
    """One system call ABI: numbers, registers, word size and identity strings."""

    name: str
    bits: int
    syscall_names: dict[int, str]
    argument_registers: tuple[int, ...]
    """Indices into ``Registers.values`` (RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15)."""
    layout: Layout
    platform: str
    machine: str
    hwcap: int
    hwcap2: int
    minimum_signal_stack: int
    """AT_MINSIGSTKSZ, bytes."""

    @property
    def word(self) -> int:
        """Bytes of a pointer and of a long."""
        return self.bits // 8
