"""symbols: local labels and equ."""

import math

from toolkit.grading import check, given, strategies

small = strategies.integers(0, 500)


@check("adds up to n", points=1)
@given(small)
def sum_to(program, n):
    """1 + 2 + ... + n; for 0 the sum is 0."""
    program.expect.call("sum_to", n, returns=n * (n + 1) // 2)


@check("computes powers", points=1)
@given(strategies.integers(0, 2**64 - 1), strategies.integers(0, 60))
def power(program, base, exponent):
    """Multiply, exponent times; anything to the power of 0 is 1."""
    program.expect.call("power", base, exponent, returns=pow(base, exponent, 2**64))


@check("finds the greatest common divisor", points=2)
@given(small, small)
def gcd(program, a, b):
    """While the second is not 0: (a, b) becomes (b, a mod b)."""
    program.expect.call("gcd", a, b, returns=math.gcd(a, b))


@check("each function has labels of its own", points=2)
def labels(program):
    """sum_to.next, power.next, gcd.next and the same with .done."""
    for function in ("sum_to", "power", "gcd"):
        for local in (".next", ".done"):
            program.expect.symbol(function + local)


@check("knows the size of its code", points=2, depends_on=[sum_to, power, gcd])
def code_size(program):
    """code_size equ $ - sum_to, directly behind gcd: an absolute number, not an address."""
    last = max(address for name, address in program.symbols.items() if name.startswith("gcd"))
    size = program.symbols["code_size"]
    behind = program.symbols["sum_to"] + size
    assert last < behind <= last + 16, (
        f"code_size is {size}, but gcd ends a few bytes behind {last - program.symbols['sum_to']}"
    )
    assert any(one.address + 1 == behind and one.mnemonic == "ret" for one in program.instructions), (
        "code_size does not end behind a ret"
    )
