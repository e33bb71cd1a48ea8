"""Expressions: precedence, 64-bit arithmetic, linear values, and limits."""

from __future__ import annotations

import pytest

from toolkit.asm.expr import UNKNOWN, Hints, Result, StatementError, evaluate
from toolkit.asm.expr_compile import compile_expression
from toolkit.asm.objfile import Section
from toolkit.asm.scan import scan
from toolkit.asm.statement import Value

TEXT = Section(".text")
DATA = Section(".data")


class Somewhere:
    """Three labels, one unknown one, and a place."""

    def lookup(self, name: str, start: int, end: int) -> Result:
        known: dict[str, Result] = {
            "a": Value(16, ((TEXT, 1),)), "b": Value(4, ((TEXT, 1),)), "d": Value(8, ((DATA, 1),)), "five": 5,
            "later": UNKNOWN,
        }  # fmt: skip
        if name not in known:
            raise StatementError(f"symbol `{name}' not defined", start, end)
        return known[name]

    def here(self) -> Result:
        return Value(32, ((TEXT, 1),))

    def base(self) -> Result:
        return Value(0, ((TEXT, 1),))

    def special(self, name: str, start: int, end: int) -> None:
        if name != "..got":
            raise StatementError(f"symbol `{name}' not defined", start, end)


def value_of(text: str, hints: Hints | None = None) -> Result:
    program, _, _ = compile_expression(scan(text), 0, [])
    return evaluate(program, Somewhere(), hints)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7), ("(1+2)*3", 9), ("10-3-2", 5), ("100/7/2", 7), ("-100//7", -14), ("-100%%7", -2),
        ("-1/2", 0x7FFFFFFFFFFFFFFF), ("1<<4+1", 32), ("-16>>>2", -4), ("-16>>60", 15), ("5|2&1^3", 7),
        ("~5", -6), ("!5", 0), ("!0", 1), ("-+-5", 5), ("5==5", 1), ("5<>5", 0), ("6<=>5", 1), ("1<2<3", 1), ("-1<0", 1),
        ("1&&0", 0), ("1||0", 1), ("1^^1", 0), ("1 ? 2 : 3", 2), ("0 ? 1 : 0 ? 2 : 3", 3), ("1 ? 0 ? 4 : 5 : 6", 5),
        ("1<<63", -(1 << 63)), ("0x7fffffffffffffff+1", -(1 << 63)), ("'ab'", 0x6261), ("__?ilog2c?__(9)", 4),
        ("five*2", 10), ("a-b", 12), ("$-$$", 32), ("(a-b)*2", 24), ("a == b", 0), ("d == a", 0), ("a > b", 1),
        ("__?float32?__(1.5)", 0x3FC00000), ("((((5))))", 5), ("2*(3+(4))", 14),
    ],
)  # fmt: skip
def test_plain_numbers(text: str, value: int) -> None:
    assert value_of(text) == value


def test_addresses_stay_linear() -> None:
    assert value_of("a+4") == Value(20, ((TEXT, 1),))
    assert value_of("d-$") == Value(-24, ((DATA, 1), (TEXT, -1)))
    assert value_of("a*2-a") == Value(16, ((TEXT, 1),))
    assert value_of("rbx+rax*4+d") == Value(8, (("rax", 4), ("rbx", 1), (DATA, 1)))


def test_wrt() -> None:
    value = value_of("d wrt ..got")
    assert isinstance(value, Value)
    assert value.wrt == "..got"


def test_the_unknown_spreads_but_keeps_registers() -> None:
    assert value_of("later+5") == UNKNOWN
    assert value_of("later-a") == UNKNOWN
    value = value_of("rax+later+5")
    assert isinstance(value, Value)
    assert (value.unknown, value.terms) == (True, (("rax", 1),))


@pytest.mark.parametrize(
    ("text", "kind", "register"),
    [
        ("ebx+ecx", Hints.MAKE_BASE, "ebx"), ("ebx*1+ecx", Hints.NOT_BASE, "ebx"),
        ("ebx+ebx", Hints.SUMMED, "ebx"), ("4+5", Hints.SUMMED, ""), ("ebx+4", Hints.MAKE_BASE, "ebx"),
    ],
)  # fmt: skip
def test_hints_about_the_base_register(text: str, kind: int, register: str) -> None:
    hints = Hints()
    program, _, _ = compile_expression(scan(text + "+a-a"), 0, [])
    evaluate(program, Somewhere(), hints)
    assert (hints.kind, hints.register) == (kind, register)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5/0", "division by zero"), ("five%%0", "division by zero"), ("5 +", "expression syntax error"),
        ("(5", "expecting `)'"), ("1 ? 2", "`?' without matching `:'"), ("(1 ? 2)", "`?' without matching `:'"),
        ("~a", "`~' operator may only be applied to scalar values"), ("a & 3", "`&' operator may only be applied to scalar values"),
        ("a << 1", "shift operator may only be applied to scalar values"), ("a*b", "unable to multiply two non-scalar objects"),
        ("a < d", "`<': operands differ by a non-scalar"), ("seg five", "cannot apply SEG to a non-relocatable value"),
        ("nowhere", "symbol `nowhere' not defined"), ("__?ilog2e?__(9)", "ilog2 argument is not a power of two"),
        ("a wrt a", "invalid right-hand operand to WRT"), ("a wrt ..foo", "symbol `..foo' not defined"),
    ],
)  # fmt: skip
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(StatementError, match="^" + __import__("re").escape(message) + "$"):
        value_of(text)


def test_an_error_points_at_its_place() -> None:
    with pytest.raises(StatementError) as caught:
        value_of("5 + nowhere * 2")
    assert (caught.value.start, caught.value.end) == (4, 11)


@pytest.mark.parametrize(
    "text", ["(" * 100_000 + "1" + ")" * 100_000, "-" * 100_000 + "1", "+".join("1" * 9000)]
)
def test_depth_is_limited_without_recursion(text: str) -> None:
    with pytest.raises(StatementError, match="expression too long"):
        value_of(text)


def test_depth_below_the_limit_works() -> None:
    assert value_of("(" * 4000 + "five" + ")" * 4000) == 5
    assert value_of("+".join(["five"] * 4000)) == 20000
