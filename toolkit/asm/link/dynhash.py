"""The two hash tables of dynamic symbols, as GNU ld lays them out (elflink.c)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_BUCKETS = (1, 3, 17, 37, 67, 97, 131, 197, 263, 521, 1031, 2053, 4099, 8209, 16411, 32771)

_ENTRIES_OF_PAGE = 4096 // 4
_PATIENCE = 100  # sizes tried without improvement


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
    """How many buckets a table of so many names has, unless it is optimised."""
    fitting = [size for size in _BUCKETS if size <= names] or [1]
    return max(fitting[-1], 2) if gnu else fitting[-1]


def best_bucket_count(values: Sequence[int], gnu: bool, symbols: int) -> int:
    """How many buckets ld -O makes for names with these hashes (elflink.c ``compute_bucket_count``): short chains, small table.

    ``symbols``: rows of .dynsym.
    """
    names = len(values)
    least, most = max(names // 4, 2 if gnu else 1), names * 2
    best, best_cost, in_vain = most + (gnu and most % 32 == 0), 1 << 64, 0
    for size in range(least, most):
        if gnu and size % 32 == 0:
            continue
        counts = [0] * size
        for value in values:
            counts[value % size] += 1
        pages = size // _ENTRIES_OF_PAGE + 1
        cost = ((2 + symbols) * 4 + sum(count * count for count in counts)) * pages * pages
        if cost < best_cost:
            best, best_cost, in_vain = size, cost, 0
        else:
            in_vain += 1
            if in_vain == _PATIENCE:
                break
    return best


def gnu_table(names: Sequence[bytes], first: int, is64: bool, buckets: int) -> bytes:
    """.gnu.hash of ``names``, which are sorted by their ``buckets`` and start at dynamic symbol number ``first``."""
    word, shift = ("Q", 6) if is64 else ("I", 5)
    if not names:
        return struct.pack(f"<IIII{word}I", 1, 1, 1, 0, 0, 0)
    count = len(names)
    bits = _filter_bits(count, shift)
    words = 1 << (bits - shift)
    mask = (1 << shift) - 1
    bloom, starts, chain = [0] * words, [0] * buckets, []
    values = [gnu_hash(name) for name in names]
    for index, value in enumerate(values):
        bloom[value >> shift & (words - 1)] |= 1 << (value & mask) | 1 << (value >> bits & mask)
        slot = value % buckets
        starts[slot] = starts[slot] or first + index
        is_last = index + 1 == count or values[index + 1] % buckets != slot
        chain.append(value & ~1 | int(is_last))
    form = f"<IIII{words}{word}{buckets}I{count}I"
    return struct.pack(form, buckets, first, words, bits, *bloom, *starts, *chain)


def _filter_bits(count: int, least: int) -> int:
    bits = count.bit_length()
    if bits < 3:
        bits = 5
    elif 1 << (bits - 2) & count:
        bits += 3
    else:
        bits += 2
    return max(bits, least)
