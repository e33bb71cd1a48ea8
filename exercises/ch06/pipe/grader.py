"""pipe: two processes."""

from toolkit.grading import check

LONG = bytes(range(256)) * 20


def plus_one(data):
    return bytes((byte + 1) % 256 for byte in data)


@check("sends a word through the pipe", points=3)
def word(program):
    """HAL becomes IBM. The parent must close its writing end, or it never sees the end."""
    run = program.run(stdin=b"HAL")
    run.expect.stdout(b"IBM")
    run.expect.exit(0)


@check("sends everything", points=2, depends_on=word)
def everything(program):
    """More than one buffer, and nothing at all."""
    program.run(stdin=LONG).expect.stdout(plus_one(LONG))
    program.run(stdin=b"").expect.stdout(b"")


@check("with a child, a pipe, and a wait", points=2, depends_on=word)
def processes(program):
    """pipe, fork, wait4."""
    run = program.run(stdin=b"HAL")
    assert any(call.name in ("pipe", "pipe2") for call in run.syscalls), "no pipe was made"
    run.expect.syscall("fork", times=1)
    child = next(call.result for call in run.syscalls if call.name == "fork")
    waits = [call for call in run.syscalls if call.name == "wait4"]
    assert waits, "nobody waits for the child"
    for call in waits:
        assert call.arguments[0] & 0xFFFFFFFF in (child, 0xFFFFFFFF), f"wait4 is called for {call.text}"
        assert call.result == child, f"a wait went wrong: {call.text}"
