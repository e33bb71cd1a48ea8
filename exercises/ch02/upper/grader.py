"""upper: read, change, write, until there is no more."""

from toolkit.grading import check

LONG = bytes(range(256)) * 4 + b"The end has no newline: az AZ {`"


def capitals(data):
    return bytes(byte - 32 if ord("a") <= byte <= ord("z") else byte for byte in data)


@check("changes one line", points=2)
def line(program):
    """Only a to z change; the newline stays."""
    run = program.run(stdin=b"Hello, 42 worlds\n")
    run.expect.stdout(b"HELLO, 42 WORLDS\n")
    run.expect.exit(0)


@check("copies everything, whatever it is", points=3, depends_on=line)
def everything(program):
    """Go on until read returns 0; write exactly as many bytes as came; bytes above 127 are no letters."""
    program.run(stdin=LONG).expect.stdout(capitals(LONG))


@check("writes nothing for an empty input", points=1, depends_on=line)
def empty(program):
    """The first read returns 0: end at once."""
    run = program.run(stdin=b"")
    run.expect.stdout(b"")
    run.expect.exit(0)
