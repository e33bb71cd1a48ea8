"""Registers by any of their names, read from the 64-bit ones."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.grading.checks import GraderError

WIDE = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))


def _parts() -> dict[str, tuple[str, int, int]]:
    """Name → (64-bit register, lowest bit, bits)."""
    table = {name: (name, 0, 64) for name in (*WIDE, "rip", "rflags")}
    for name in WIDE[:8]:
        stem = name[1:]
        table |= {f"e{stem}": (name, 0, 32), stem: (name, 0, 16)}
        table[f"{stem[0]}l" if stem.endswith("x") else f"{stem}l"] = (name, 0, 8)
        if stem.endswith("x"):
            table[f"{stem[0]}h"] = (name, 8, 8)
    for name in WIDE[8:]:
        table |= {f"{name}d": (name, 0, 32), f"{name}w": (name, 0, 16), f"{name}b": (name, 0, 8)}
    return table | {"eip": ("rip", 0, 32), "eflags": ("rflags", 0, 32)}


PARTS = _parts()


def read_register(registers: Mapping[str, int], name: str) -> tuple[int, int]:
    """A register's unsigned value and its width in bits. Raises GraderError for a name that is no register's."""
    if name not in PARTS:
        raise GraderError(f"no register {name!r}")
    wide, low, bits = PARTS[name]
    return (registers[wide] >> low) & ((1 << bits) - 1), bits
