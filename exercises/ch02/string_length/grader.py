"""string_length: a loop over bytes."""

from toolkit.grading import check, given, strategies

texts = strategies.binary(max_size=60).map(lambda data: data.replace(b"\0", b"x"))


@check("measures a word", points=2)
def word(program):
    """The zero at the end does not count."""
    program.expect.call("string_length", b"hello\0", returns=5)


@check("measures the empty string", points=1, depends_on=word)
def empty(program):
    """Test the first byte before the first step."""
    program.expect.call("string_length", b"\0", returns=0)


@given(texts)
def drawn(program, text):
    program.expect.call("string_length", text + b"\0", returns=len(text))


@check("measures any string and reads nothing behind it", points=2, depends_on=word)
def any_string(program):
    """Compare a single byte with 0, and only up to the zero: behind it lies a page that may not be read."""
    drawn(program)
    program.expect.call("string_length", b"two\nlines\0", returns=9)
