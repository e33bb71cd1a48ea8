"""three_stacks: the main stack, a handler's, and a thread's."""

import struct

from toolkit.grading import check

PAGE = 4096
ROOM = 16384
CLONE_VM, SIGCHLD = 0x100, 17


def stored(run, name):
    return struct.unpack("<Q", run.memory(name, 8, at="exit"))[0]


@check("a handler on a stack of its own", points=3)
def handler(program):
    """sigaltstack before the signal, and SA_ONSTACK (0x08000000) in the action's flags: then rsp is inside room."""
    run = program.run()
    run.expect.syscall("sigaltstack", args=(None, 0), result=0)
    run.expect.syscall("rt_sigaction", args=(10, None, 0, 8), result=0)
    run.expect.syscall("getpid")
    me = next(call.result for call in run.syscalls if call.name == "getpid")
    run.expect.syscall("kill", args=(me, 10), result=0, times=1)
    run.expect.label("handler", times=1)
    run.expect.syscall("rt_sigreturn", times=1)
    room, stack = program.symbols["room"], stored(run, "handler_stack")
    assert room <= stack < room + ROOM, f"handler_stack is {stack:#x}, and room begins at {room:#x}"


@check("the thread runs and shares the memory", points=3)
def shares(program):
    """What it stored in thread_stack is there for the parent: CLONE_VM. A copy of the memory would not show it."""
    run = program.run()
    run.expect.exit(0)
    assert stored(run, "thread_stack"), "thread_stack is still 0 at the end"


@check("the thread on a stack of its own", points=3, depends_on=shares)
def own(program):
    """main_stack lies in [stack], thread_stack at the upper end of the area that was mapped."""
    run = program.run()
    run.expect.area(at="exit", name="[stack]", contains=stored(run, "main_stack"))
    stack = run.expect.area(
        at="exit", name="", perms="rw-p", contains=stored(run, "thread_stack") - 8, size=4 * PAGE
    )
    run.expect.syscall("mmap", args=(0, 4 * PAGE, 3, 0x20022), result=stack.start)
    run.expect.syscall("clone", args=(CLONE_VM | SIGCHLD, stack.end, 0, 0, 0), times=1)


@check("the parent waits", points=1, depends_on=shares)
def waits(program):
    """wait4 with the thread's number, or -1, after clone; the thread ends with exit(0), and so does the parent."""
    run = program.run()
    thread = next(call.result for call in run.syscalls if call.name == "clone")
    run.expect.syscall("wait4", result=thread)
    call = next(call for call in run.syscalls if call.name == "wait4")
    assert call.arguments[0] & 0xFFFFFFFF in (thread, 0xFFFFFFFF), f"wait4 is called for {call.text}"
    run.expect.syscall("exit", args=(0,), times=2)
