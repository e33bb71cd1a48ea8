"""io_library: thirteen functions, each graded for itself."""

from toolkit.grading import check, fail, given, strategies

unsigned = strategies.integers(0, 2**64 - 1)
signed = strategies.integers(-(2**63), 2**63 - 1)
texts = strategies.binary(max_size=50).map(lambda data: data.replace(b"\0", b"x"))
words = strategies.text(strategies.sampled_from("abcXYZ0-9!"), min_size=1, max_size=12).map(str.encode)
blanks = strategies.text(strategies.sampled_from(" \t\n"), max_size=5).map(str.encode)
digits = strategies.integers(0, 2**64 - 1).map(lambda number: b"%d" % number)
rests = strategies.sampled_from([b"", b" ", b"x", b"/", b":", b"-1", b"\xff"])


def equal(message, actual, expected):
    if actual != expected:
        fail(message, expected=expected, actual=actual)


def buffer_returned(name, result, index):
    address = result.addresses[index]
    if result.rax != address:
        fail(
            f"{name} returns the address of its buffer in rax",
            expected=f"rax = {address:#x}",
            actual=f"rax = {result.rax:#x}",
        )


@check("string_length", points=1)
@given(texts)
def string_length(program, text):
    """Bytes before the zero; nothing behind the zero may be read."""
    program.expect.call("string_length", text + b"\0", returns=len(text))


@check("print_string", points=1)
@given(texts)
def print_string(program, text):
    """Measure, then write. string_length may change rdi: keep the address."""
    program.expect.call("print_string", text + b"\0", stdout=text)


@given(strategies.integers(0, 255))
def drawn_character(program, character):
    program.expect.call("print_char", character, stdout=bytes([character]))


@check("print_char and print_newline", points=2)
def print_char(program):
    """write needs an address: push the character and use rsp. Any byte is a character."""
    drawn_character(program)
    program.expect.call("print_newline", stdout=b"\n")


@given(strategies.one_of(strategies.integers(0, 99), unsigned))
def drawn_uint(program, number):
    program.expect.call("print_uint", number, stdout=b"%d" % number)


@check("print_uint", points=2)
def print_uint(program):
    """Unsigned: 2^64 - 1 is 18446744073709551615; and 0 is one digit."""
    drawn_uint(program)
    program.expect.call("print_uint", 2**64 - 1, stdout=b"18446744073709551615")


@check("print_int", points=2)
@given(strategies.one_of(strategies.integers(-99, 99), signed))
def print_int(program, number):
    """A minus sign, then the number without its sign. The smallest number is its own negation, and right as an unsigned one."""
    program.expect.call("print_int", number, stdout=b"%d" % number)


@given(strategies.integers(1, 255))
def drawn_input(program, character):
    program.expect.call("read_char", stdin=bytes([character]) + b"more", returns=character)


@check("read_char", points=2)
def read_char(program):
    """One byte, in all of rax: the upper bits are zero. At the end of the input 0."""
    drawn_input(program)
    program.expect.call("read_char", stdin=b"", returns=0)


@check("read_word reads a word", points=3)
@given(blanks, words, strategies.sampled_from([b"", b" ", b"\n", b"\tmore words"]))
def read_word(program, before, word, behind):
    """Skip white space, store up to the next white space or the end, and put a zero behind the word."""
    result = program.call("read_word", bytearray(32), 32, stdin=before + word + behind)
    buffer_returned("read_word", result, 0)
    equal("read_word returns the length of the word in rdx", result.rdx, len(word))
    equal("read_word stores the word and a zero", result.buffers[0][: len(word) + 1], word + b"\0")
    ended = program.call("read_word", bytearray(b"?" * 8), 8, stdin=before)
    equal("when the input ends before a word, the length in rdx is 0", ended.rdx, 0)
    equal("when the input ends before a word, the word is empty: a zero", ended.buffers[0][:1], b"\0")


@check("read_word keeps to its buffer", points=2, depends_on=read_word)
def read_word_limit(program):
    """Five characters and the zero fit into six bytes, not into five. Behind the buffer lies a page that may not be touched."""
    program.expect.call("read_word", bytearray(5), 5, stdin=b"12345 ", returns=0)
    program.expect.call("read_word", bytearray(5), 5, stdin=b"1234567 ", returns=0)
    program.expect.call("read_word", bytearray(6), 6, stdin=b"12345 ", after={0: b"12345\0"})
    program.expect.call("read_word", bytearray(5), 5, stdin=b"a very long story", after={0: b"a\0\0\0\0"})


@given(digits, rests)
def drawn_digits(program, number, rest):
    program.expect.call("parse_uint", number + rest + b"\0", returns=(int(number), len(number)))


@check("parse_uint", points=3)
def parse_uint(program):
    """Digits only, up to the first character that is none; their number in rdx. No digit at all: rdx is 0."""
    drawn_digits(program)
    result = program.call("parse_uint", b"abc\0")
    equal('parse_uint("abc\\0"): rdx is the number of digits', result.rdx, 0)


@given(signed, rests)
def drawn_integer(program, number, rest):
    text = b"%d" % number
    program.expect.call("parse_int", text + rest + b"\0", returns=(number, len(text)))


@check("parse_int", points=3)
def parse_int(program):
    """The sign counts in rdx. A sign without a digit behind it is no number: rdx is 0."""
    drawn_integer(program)
    program.expect.call("parse_int", b"+7 \0", returns=(7, 2))
    result = program.call("parse_int", b"- 7\0")
    equal('parse_int("- 7\\0"): rdx counts a sign only with a digit behind it', result.rdx, 0)


@given(texts, texts)
def drawn_strings(program, a, b):
    program.expect.call("string_equals", a + b"\0", b + b"\0", returns=int(a == b))
    program.expect.call("string_equals", a + b"\0", a + b"\0", returns=1)
    program.expect.call("string_equals", a + b"\0", a + b"!\0", returns=0)


@check("string_equals", points=2)
def string_equals(program):
    """Equal to the zero included: a string that is only the beginning of the other is not equal."""
    drawn_strings(program)
    for length in range(1, 9):
        same = b"\x01" * length
        program.expect.call("string_equals", same + b"a\0", same + b"b\0", returns=0)


@check("string_copy", points=2)
@given(texts)
def string_copy(program, text):
    """With the zero. If the string needs more room than there is, return 0, and leave the next page alone."""
    size = len(text) + 1
    result = program.call("string_copy", text + b"\0", bytearray(size), size)
    buffer_returned("string_copy", result, 1)
    equal("string_copy leaves the string in the buffer, with its zero", result.buffers[1], text + b"\0")
    if text:
        program.expect.call("string_copy", text + b"\0", bytearray(len(text)), len(text), returns=0)


@check("exit", points=1)
@given(strategies.integers(0, 255))
def exits(program, status):
    """System call 60; the status is already in rdi."""
    program.expect.call("exit", status, exits=status)
