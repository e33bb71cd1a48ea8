"""number_automaton: states as labels."""

import re

from toolkit.grading import check, given, strategies

NUMBER = re.compile(rb"[+-]?[0-9]+(\.[0-9]+)?")
texts = strategies.text(strategies.sampled_from("+-.0159x "), max_size=7).map(str.encode)


@check("accepts whole numbers", points=2)
def whole(program):
    """With and without a sign."""
    for text in (b"0", b"2026", b"-7", b"+12"):
        program.expect.call("is_number", text + b"\0", returns=1)


@check("accepts fractions", points=1, depends_on=whole)
def fractions(program):
    """A point needs digits on both sides."""
    for text in (b"3.14", b"-0.5"):
        program.expect.call("is_number", text + b"\0", returns=1)


@check("refuses what only looks like one", points=2, depends_on=whole)
def refuses(program):
    """The input must end in an accepting state: not behind a sign, not behind a point, not in the middle."""
    for text in (b"", b"-", b"1.", b".5", b"1.2.3", b"--1", b"1-", b"12x", b"x12", b"1 "):
        program.expect.call("is_number", text + b"\0", returns=0)


@given(texts)
def drawn(program, text):
    program.expect.call("is_number", text + b"\0", returns=int(bool(NUMBER.fullmatch(text))))
    program.expect.call("is_number", b"1" + text + b"\0", returns=int(bool(NUMBER.fullmatch(b"1" + text))))


@check("decides every string", points=2, depends_on=refuses)
def every(program):
    """0 and 9 are digits in each state; the characters just before '0' and just behind '9' are none."""
    drawn(program)
    for before in (b"", b"-", b"1", b"1.", b"1.5"):  # a word for each state
        for neighbour in (b"/", b":"):
            program.expect.call("is_number", before + neighbour + b"\0", returns=0)
    for text in (b"0", b"9", b"00", b"99", b"-0", b"-9", b"0.0", b"9.9", b"0.00", b"9.99"):
        program.expect.call("is_number", text + b"\0", returns=1)
