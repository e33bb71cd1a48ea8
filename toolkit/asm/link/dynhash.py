"""The two hash functions of dynamic symbol tables, and how many buckets GNU ld gives a table (elflink.c)."""

from __future__ import annotations

_BUCKETS = (1, 3, 17, 37, 67, 97, 131, 197, 263, 521, 1031, 2053, 4099, 8209, 16411, 32771)


def sysv_hash(name: bytes) -> int:
    """The ABI's hash of a symbol name (System V ABI, figure 5-13)."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def gnu_hash(name: bytes) -> int:
    """The hash of .gnu.hash: Bernstein's, times 33."""
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def bucket_count(names: int, gnu: bool) -> int:
    fitting = [size for size in _BUCKETS if size <= names] or [1]
    return max(fitting[-1], 2) if gnu else fitting[-1]
