"""table_walk: nine bits for each level."""

from toolkit.grading import Hexadecimal, check, given, numbers, strategies, writable_numbers

user = strategies.integers(0, 2**47 - 1)
anything = strategies.one_of(
    user, user.map(lambda address: 2**64 - 1 - address), strategies.integers(0, 2**64 - 1)
)


def parts(address):
    return numbers([*((address >> shift) & 511 for shift in (39, 30, 21, 12)), address & 4095])


@check("takes a user address apart", points=3)
@given(user)
def apart(program, address):
    """Shift by 39, 30, 21, 12 and keep nine bits; the offset has twelve."""
    program.expect.call("walk", Hexadecimal(address), writable_numbers([0] * 5), after={1: parts(address)})


@given(anything)
def drawn(program, address):
    expected = int(address >> 47 in (0, 2**17 - 1))
    program.expect.call(
        "walk", Hexadecimal(address), writable_numbers([0] * 5), returns=expected, after={1: parts(address)}
    )


@check("knows canonical addresses", points=2, depends_on=apart)
def canonical(program):
    """Bits 47 to 63 are all equal: shifted right arithmetically by 47, such an address is 0 or -1."""
    drawn(program)
    for edge, answer in ((2**47 - 1, 1), (2**47, 0), (2**48, 0), (2**64 - 2**47 - 1, 0), (2**64 - 2**47, 1)):
        program.expect.call("walk", Hexadecimal(edge), writable_numbers([0] * 5), returns=answer)
