"""addressing: base + index * scale, and walking through a table."""

from toolkit.grading import check, given, numbers, strategies

cells = strategies.integers(-(2**31), 2**31 - 1)


def table(values):
    return numbers(values, "i")


@check("adds up a column", points=2)
def column(program):
    """1 2 3 / 4 5 6: column 1 is 2 + 5."""
    program.expect.call("column_sum", table([1, 2, 3, 4, 5, 6]), 2, 3, 1, returns=7)


@check("adds negative and large numbers", points=2, depends_on=column)
@given(strategies.lists(cells, min_size=1, max_size=20), strategies.integers(1, 4), strategies.integers(0, 3))
def any_table(program, values, columns, which):
    """movsxd widens a signed 32-bit number to 64 bits; the sum itself needs 64 bits."""
    values = values * columns
    which %= columns
    program.expect.call(
        "column_sum",
        table(values),
        len(values) // columns,
        columns,
        which,
        returns=sum(values[which::columns]),
    )


@check("a table without rows", points=1, depends_on=column)
def empty(program):
    """Test before the first step, not only after it: there is nothing to read."""
    program.expect.call("column_sum", b"", 0, 3, 1, returns=0)
