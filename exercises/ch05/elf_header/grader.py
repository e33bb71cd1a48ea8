"""elf_header: ELF by hand."""

import struct

from toolkit.grading import check, given, strategies

segments = strategies.lists(
    strategies.tuples(strategies.sampled_from([0, 1, 1, 2, 0x6474E551]), strategies.integers(0, 2**40)),
    max_size=5,
)


def elf(entry, headers, table=64):
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, table, 0, 0, 64, 56, len(headers), 0, 0, 0)
    rows = b"".join(
        struct.pack("<IIQQQQQQ", kind, 5, 0, 0x400000, 0x400000, 7, size, 4096) for kind, size in headers
    )
    return head + bytes(table - 64) + rows


@check("finds the entry", points=2)
@given(strategies.integers(0, 2**64 - 1))
def entry(program, address):
    """Eight bytes at offset 24."""
    program.expect.call("entry", elf(address, []), returns=address)


@check("counts the program headers", points=2)
@given(segments)
def headers(program, rows):
    """Two bytes at offset 56: movzx."""
    program.expect.call("headers", elf(1, rows), returns=len(rows))
    damaged = bytearray(elf(1, rows))
    damaged[58:64] = b"\xff" * 6  # what follows the two bytes is not zero in every file
    program.expect.call("headers", bytes(damaged), returns=len(rows))


@check("adds up the loadable segments", points=3, depends_on=headers)
@given(segments, strategies.sampled_from([64, 72, 128]))
def loadable(program, rows, table):
    """Begin at the offset given at 32, go on by 56, take the memory size (offset 40) where the type is 1."""
    expected = sum(size for kind, size in rows if kind == 1)
    program.expect.call("loadable", elf(1, rows, table), returns=expected)


@check("works on the program itself", points=1, depends_on=[entry, headers])
def itself(program):
    """The header is mapped at 0x400000."""
    program.expect.call("entry", 0x400000, returns=program.symbols["_start"])
