"""three_stacks: clone with a stack of one's own."""

import struct

from toolkit.grading import check

PAGE = 4096


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
    run.expect.area(
        at="exit", name="", perms="rw-p", contains=stored(run, "thread_stack") - 8, at_least=4 * PAGE
    )


@check("the parent waits", points=1, depends_on=shares)
def waits(program):
    """wait4, after clone."""
    run = program.run()
    run.expect.syscall("wait4", succeeds=True)
    run.expect.syscall("clone", times=1)
