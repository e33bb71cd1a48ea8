"""errno: negative results."""

from toolkit.grading import check


@check("status 0 for a file that can be read", points=2)
def works(program):
    """Also for an empty file: reading 0 bytes is no error."""
    program.run("there.txt", files={"there.txt": b"hello"}).expect.exit(0)
    program.run("empty.txt", files={"empty.txt": b""}).expect.exit(0)


@check("the error of open", points=2)
def open_fails(program):
    """ENOENT is 2, ENOTDIR is 20: neg turns -2 into 2."""
    program.run("nowhere.txt").expect.exit(2)
    program.run("there.txt/x", files={"there.txt": b"hello"}).expect.exit(20)


@check("the error of read", points=2, depends_on=works)
def read_fails(program):
    """The directory `.` can be opened, but read says EISDIR, 21."""
    program.run(".").expect.exit(21)


@check("two system calls, no more", points=1, depends_on=works)
def calls(program):
    """open, read, exit."""
    run = program.run("there.txt", files={"there.txt": b"hello"})
    run.expect.syscall("open", times=1)
    run.expect.syscall("read", args=(None, None, 16), times=1)
    assert sum(call.name == "read" for call in run.syscalls) == 1, "read was called more than once"
