"""three_stacks: clone with a stack of one's own."""

import struct

from toolkit.grading import check

PAGE = 4096
CLONE_VM, SIGCHLD = 0x100, 17


def stored(run, name):
    return struct.unpack("<Q", run.memory(name, 8, at="exit"))[0]


@check("the thread runs and shares the memory", points=3)
def shares(program):
    """What it stored in thread_stack is there for the parent: CLONE_VM. A copy of the memory would not show it."""
    run = program.run()
    run.expect.exit(0)
    assert stored(run, "thread_stack"), "thread_stack is still 0 at the end"


@check("each on its own stack", points=3, depends_on=shares)
def own(program):
    """main_stack lies in [stack], thread_stack in the area that was mapped, near its upper end."""
    run = program.run()
    run.expect.area(at="exit", name="[stack]", contains=stored(run, "main_stack"))
    stack = run.expect.area(
        at="exit", name="", perms="rw-p", contains=stored(run, "thread_stack") - 8, size=4 * PAGE
    )
    run.expect.syscall("clone", args=(CLONE_VM | SIGCHLD, stack.end, 0, 0, 0), times=1)


@check("the parent waits", points=1, depends_on=shares)
def waits(program):
    """wait4 with the thread's number, or -1, after clone."""
    run = program.run()
    thread = next(call.result for call in run.syscalls if call.name == "clone")
    run.expect.syscall("wait4", result=thread)
