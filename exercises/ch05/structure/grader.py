"""structure: struc, istruc, an array of records."""

import struct

from toolkit.grading import check, fail, given, numbers, strategies

SIZE = 32
points = strategies.one_of(strategies.integers(0, 3), strategies.sampled_from([2**31 - 1, 2**31, 2**32 - 1]))


def students(values):
    return b"".join(
        struct.pack("<QIB3x16s", number, value, 255 - number, b"name") for number, value in enumerate(values)
    )


@check("one student is filled in", points=2)
def one(program):
    """Number 7, 100 points, group 2, name Ada: 32 bytes, unused ones zero."""
    program.run().expect.memory("one", numbers(struct.pack("<QIB3x16s", 7, 100, 2, b"Ada"), "B"), at="start")


@check("finds the best of some students", points=3)
@given(strategies.lists(points, min_size=1, max_size=6))
def best(program, values):
    """Points are unsigned, and among equals the first one wins."""
    result = program.call("best", students(values), len(values))
    expected = values.index(max(values))
    distance = result.rax - result.addresses[0]
    if distance != expected * SIZE:
        fail(
            f"of students with the points {values} the wrong one is found",
            expected=f"the array's address + {expected * SIZE}: element {expected}",
            actual=f"the array's address + {distance}" if 0 <= distance < 4096 else f"rax = {result.rax:#x}",
        )


@check("finds nobody in an empty array", points=1, depends_on=best)
def nobody(program):
    """0, without reading anything."""
    program.expect.call("best", b"", 0, returns=0)


@check("the fields have names", points=2)
def names(program):
    """struc Student with .number, .points, .group and .name; its size is Student_size."""
    for name, offset in (("number", 0), ("points", 8), ("group", 12), ("name", 16)):
        assert program.symbols.get(f"Student.{name}") == offset, f"Student.{name} is not {offset}"
    assert program.symbols.get("Student_size") == SIZE, "Student_size is not 32"
