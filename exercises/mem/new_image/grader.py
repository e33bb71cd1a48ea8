"""new_image: execve and the address space."""

from toolkit.grading import check

A = 0x10000000
PAGE = 4096


@check("the first life makes a heap and a page", points=2)
def first(program):
    """Just before execve the map has a [heap] of one page, and a page at A whose first byte is not 0."""
    run = program.run()
    run.expect.syscall("execve", times=1)
    heap = run.expect.area(at="syscall:execve", name="[heap]", size=PAGE)
    run.expect.syscall("brk", args=(0,))
    run.expect.syscall("brk", args=(heap.start + PAGE,))
    run.expect.syscall("mmap", args=(A, PAGE, 3, 0x22), result=A)
    run.expect.area(at="syscall:execve", name="", perms="rw-p", start=A, size=PAGE)
    assert run.memory(A, 1, at="syscall:execve") != b"\0", "nothing was stored in the page at A"


@check("the second life begins with neither", points=3, depends_on=first)
def second(program):
    """execve(argv[0], [argv[0], "again"], environment): the new image has no heap and nothing at A, and nothing is unmapped by hand."""
    run = program.run()
    run.expect.no_syscall("munmap")
    run.expect.no_area(at="exit", name="[heap]")
    run.expect.no_area(at="exit", contains=A)
    run.expect.syscall("mincore")
    names = [call.name for call in run.syscalls]
    assert names.index("mincore") > names.index("execve"), "mincore was called before execve"
    program.run(env={"COLOUR": "green"}).expect.syscall("execve", times=1)
    run = program.run(env={"COLOUR": "green"}, at=["exit"])
    stack = run.expect.area(at="exit", name="[stack]")
    held = run.memory(stack.start, stack.size, at="exit")
    assert b"again\0" in held, "the new program did not get the argument again"
    assert b"COLOUR=green\0" in held, "the new program has no COLOUR=green in its environment"


@check("the descriptor is still open", points=2, depends_on=second)
def descriptor(program):
    """dup2(1, 7) before execve; after it, write(7, …)."""
    run = program.run()
    run.expect.syscall("dup2", args=(1, 7), result=7)
    run.expect.syscall("write", args=(7,), times=1)
    run.expect.stdout(b"still open\n")


@check("ends with the error of mincore", points=1, depends_on=second)
def status(program):
    """mincore(A, 4096, vector) says ENOMEM, -12: nothing is mapped there."""
    run = program.run()
    run.expect.syscall("mincore", args=(A, PAGE), error="ENOMEM")
    run.expect.exit(12)
