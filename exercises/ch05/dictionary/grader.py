"""dictionary: macros, a linked list, strings, input and output."""

import struct

from toolkit.grading import check, regex


@check("the words are linked", points=3)
def linked(program):
    """From [dictionary] through the links to 0, each word with its key and its explanation."""
    run = program.run(stdin=b"first word\n")
    word = struct.unpack("<Q", run.memory("dictionary", 8, at="start"))[0]
    keys = []
    while word and len(keys) < 100:
        keys.append(run.memory(word + 8, 16, at="start").split(b"\0")[0])
        word = struct.unpack("<Q", run.memory(word, 8, at="start"))[0]
    for key in (b"first word", b"second word", b"third word"):
        assert key in keys, f"{key.decode()} is not in the list; found: {keys}"


@check("finds words", points=3, depends_on=linked)
def finds(program):
    """The key must be equal to its end: a word that only begins like it is another one."""
    last = struct.unpack("<Q", program.run().memory("dictionary", 8, at="start"))[0]
    for key in (b"first word", b"second word", b"third word"):
        found = program.call("find_word", key + b"\0", last)
        assert found.rax, f"{key.decode()} was not found"
        stored = program.run().memory(found.rax + 8, len(key) + 1, at="start")
        assert stored == key + b"\0", f"for {key.decode()} the word {stored!r} was found"
    for key in (b"first", b"first word!", b"", b"second wors"):
        program.expect.call("find_word", key + b"\0", last, returns=0)
    program.expect.call("find_word", b"anything\0", 0, returns=0)


@check("prints the explanation", points=3, depends_on=finds)
def prints(program):
    """To the standard output, with a newline, status 0; also if the line has no newline at its end."""
    for key in (b"first word", b"third word"):
        for end in (b"\n", b""):
            run = program.run(stdin=key + end)
            run.expect.stdout(key + b" explanation\n")
            run.expect.exit(0)


@check("says when there is no such word", points=2, depends_on=prints)
def missing(program):
    """A message of one line to descriptor 2, nothing to 1, status 1; a line of 300 characters must not overflow the buffer."""
    for line in (b"fourth word\n", b"f\n", b"t\n", b"x" * 300 + b"\n", b"x" * 5000 + b"\n", b""):
        run = program.run(stdin=line)
        run.expect.exit(1)
        run.expect.stdout(b"")
        run.expect.stderr(regex(rb"[ -~]+\n"))


@check("uses the macro colon", points=1)
def macro(program):
    """%macro colon 2, used at least three times."""
    uses = [line for line in program.source.splitlines() if line.strip().startswith("colon ")]
    assert len(uses) >= 3, f"colon is used {len(uses)} times"
