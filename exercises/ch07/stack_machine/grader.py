"""stack_machine: an interpreter with a table of addresses."""

import struct

from toolkit.grading import check, given, strategies

HALT, ADD, SUBTRACT, MULTIPLY, DUPLICATE, SWAP, DROP = (bytes([number]) for number in (0, 2, 3, 4, 5, 6, 8))
numbers = strategies.integers(0, 2**64 - 1)


def push(number):
    return b"\x01" + struct.pack("<Q", number % 2**64)


def jump(distance):
    return b"\x07" + struct.pack("<b", distance)


@check("adds two numbers", points=2)
@given(numbers, numbers)
def adds(program, a, b):
    """push a, push b, add, halt."""
    program.expect.call("interpret", push(a) + push(b) + ADD + HALT, returns=(a + b) % 2**64)


@check("subtracts and multiplies", points=2, depends_on=adds)
@given(numbers, numbers)
def arithmetic(program, a, b):
    """a b subtract is a - b: the upper one is taken away."""
    program.expect.call("interpret", push(a) + push(b) + SUBTRACT + HALT, returns=(a - b) % 2**64)
    program.expect.call("interpret", push(a) + push(b) + MULTIPLY + HALT, returns=a * b % 2**64)


@check("duplicates, swaps and drops", points=2, depends_on=arithmetic)
@given(numbers, numbers)
def juggles(program, a, b):
    """And what is left below the result must not harm the return."""
    program.expect.call("interpret", push(a) + DUPLICATE + ADD + HALT, returns=2 * a % 2**64)
    program.expect.call("interpret", push(a) + push(b) + SWAP + SUBTRACT + HALT, returns=(b - a) % 2**64)
    program.expect.call("interpret", push(a) + push(b) + DROP + HALT, returns=a)
    program.expect.call("interpret", push(7) + push(8) + push(a) + HALT, returns=a)


@given(strategies.integers(1, 30))
def backwards(program, times):
    body = SWAP + push(3) + ADD + SWAP + push(1) + SUBTRACT + DUPLICATE
    loop = push(0) + push(times) + body + jump(-len(body) - 2) + DROP + HALT
    program.expect.call("interpret", loop, returns=3 * times)


@check("jumps in both directions", points=3, depends_on=juggles)
def jumps(program):
    """The distance is signed, and counts from the operation behind the jump."""
    backwards(program)
    forward = push(5) + push(1) + jump(10) + DROP + push(6) + HALT
    program.expect.call("interpret", forward, returns=5)
    program.expect.call("interpret", push(5) + push(0) + jump(10) + DROP + push(6) + HALT, returns=6)


@check("refuses unknown operations", points=1, depends_on=adds)
@given(strategies.integers(9, 255))
def unknown(program, operation):
    """-1, with the stack as it was."""
    program.expect.call("interpret", push(1) + bytes([operation]) + HALT, returns=-1)
