"""endianness: the order of bytes in memory."""

from toolkit.grading import Hexadecimal, check, given, numbers, strategies, writable_numbers


def four_bytes():
    return writable_numbers([0] * 4, "B")


@check("stores the highest byte first", points=3)
def one(program):
    """0x11223344 must become the bytes 11 22 33 44, in this order."""
    program.expect.call(
        "store_big_endian",
        four_bytes(),
        Hexadecimal(0x11223344),
        after={0: numbers(b"\x11\x22\x33\x44", "B")},
    )


@check("stores any number, and only four bytes", points=2, depends_on=one)
@given(strategies.integers(0, 2**32 - 1), strategies.integers(0, 2**32 - 1))
def any_number(program, number, upper):
    """The buffer has four bytes: storing eight runs into the next page. The upper half of rsi is not part of the number."""
    stored = numbers(number.to_bytes(4, "big"), "B")
    program.expect.call(
        "store_big_endian", four_bytes(), Hexadecimal(upper << 32 | number), after={0: stored}
    )
