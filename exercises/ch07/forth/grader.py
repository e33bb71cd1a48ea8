"""forth: a small interpreter, graded from the outside."""

from toolkit.grading import check, given, strategies

DRAWN = 12  # inputs for each check: read byte by byte, each takes a hundred system calls

numbers = strategies.one_of(strategies.integers(-20, 20), strategies.integers(-(2**63), 2**63 - 1))


def wrap(number):
    return (number + 2**63) % 2**64 - 2**63


def divide(a, b):
    quotient = abs(a) // abs(b)
    return wrap(-quotient if (a < 0) != (b < 0) else quotient)


def prints(program, text, *values):
    run = program.run(stdin=text.encode())
    run.expect.stdout("".join(f"{value}\n" for value in values))
    run.expect.exit(0)


def fails(program, text, message, printed=""):
    run = program.run(stdin=text.encode())
    run.expect.exit(1)
    run.expect.stderr(message + "\n")
    run.expect.stdout(printed)


@check("prints numbers", points=2)
@given(numbers, examples=DRAWN)
def number(program, a):
    """Push it, print it; also negative ones, to -9223372036854775808."""
    prints(program, f"{a} .\n", a)


@check("calculates", points=3, depends_on=number)
@given(numbers, numbers, examples=DRAWN)
def calculates(program, a, b):
    """a b - is a - b."""
    prints(program, f"{a} {b} + . {a} {b} - . {a} {b} * .", wrap(a + b), wrap(a - b), wrap(a * b))


@given(numbers, numbers.filter(bool), examples=DRAWN)
def drawn_division(program, a, b):
    prints(program, f"{a} {b} / .", divide(a, b))


@check("divides", points=2, depends_on=calculates)
def divides(program):
    """idiv raises an error for the smallest number by -1: treat -1 for itself."""
    drawn_division(program)
    prints(program, f"{-(2**63)} -1 / .", -(2**63))
    prints(program, "7 5 -1 / . .", -5, 7)


@check("compares", points=2, depends_on=number)
@given(numbers, numbers, examples=DRAWN)
def compares(program, a, b):
    """1 for yes, 0 for no; < is signed."""
    prints(program, f"{a} {b} < . {a} {b} = . {a} {a} = . {a} {a} < .", int(a < b), int(a == b), 1, 0)


@given(numbers, numbers, examples=DRAWN)
def drawn_juggling(program, a, b):
    prints(program, f"{a} {b} swap . . {a} {b} drop . {a} dup . .", a, b, a, a, a)


@check("juggles the stack", points=2, depends_on=calculates)
def juggles(program):
    """dup, drop, swap."""
    drawn_juggling(program)
    prints(program, "3 dup * .", 9)
    prints(program, "1 2 swap - .", 1)
    prints(program, "1 2 3 . . .", 3, 2, 1)
    prints(program, "1 drop 2 .", 2)
    fails(program, "1 . .", "stack underflow", "1\n")


@check("reads any white space", points=1, depends_on=calculates)
def spaces(program):
    """Several blanks, tabs, newlines; no newline at the end; nothing at all."""
    prints(program, "  2\t3\n\n+   .", 5)
    prints(program, "")
    prints(program, " \n")


@check("complains", points=4, depends_on=calculates)
def complains(program):
    """On the standard error, with status 1; what was printed before stays."""
    fails(program, "1 . frobnicate 2 .", "unknown word", "1\n")
    for word in ("+", "-", "*", "/", "swap", "=", "<"):
        fails(program, word, "stack underflow")
        fails(program, f"1 {word}", "stack underflow")
    for word in ("dup", "drop", "."):
        fails(program, word, "stack underflow")
    fails(program, "1 0 /", "division by zero")
    fails(program, "1 " * 257, "stack overflow")
    fails(program, "12x", "unknown word")
    for word in ("1:", "1/", ":", "--1", "+1x"):
        fails(program, word, "unknown word")
    fails(program, "du", "unknown word")
    prints(program, "1 " * 256 + ".", 1)
