"""shared_page: MAP_SHARED | MAP_ANONYMOUS and fork."""

from toolkit.grading import check


@check("the parent sees what the child stored", points=3)
def sees(program):
    """The status must be 42, and it must come out of the shared page."""
    program.run().expect.exit(42)


@check("the page is shared and belongs to no file", points=2, depends_on=sees)
def shared(program):
    """MAP_SHARED | MAP_ANONYMOUS is 0x21, with -1 as the descriptor."""
    program.run().expect.area(at="exit", path="/dev/zero (deleted)", perms="rw-s", size=4096)


@check("there was a child, and the parent waited for it", points=2, depends_on=sees)
def child(program):
    """fork once, then wait4 with the child's number."""
    run = program.run()
    run.expect.syscall("fork", times=1)
    child = next(call.result for call in run.syscalls if call.name == "fork")
    run.expect.syscall("wait4", args=(child,), succeeds=True)
