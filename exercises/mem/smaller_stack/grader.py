"""smaller_stack: RLIMIT_STACK."""

import struct

from toolkit.grading import check

LIMIT = 256 * 1024
PAGE = 4096
NO_LIMIT = 2**64 - 1


@check("sets the soft limit, and that alone", points=3)
def limits(program):
    """getrlimit fills both values; change the first one, and give both to setrlimit. The hard limit is all ones here."""
    run = program.run()
    run.expect.syscall("getrlimit", args=(3,), result=0)
    run.expect.syscall("setrlimit", args=(3,), result=0, times=1)
    address = next(call.arguments[1] for call in run.syscalls if call.name == "setrlimit")
    given = struct.unpack("<2Q", run.memory(address, 16, at="syscall:setrlimit"))
    assert given[0] == LIMIT, f"the soft limit given is {given[0]}, not {LIMIT}"
    assert given[1] == NO_LIMIT, f"the hard limit was changed to {given[1]}"


@check("dies of a stack overflow", points=2, depends_on=limits)
def overflow(program):
    """A call or push below the limit: SIGSEGV, writing."""
    run = program.run()
    run.expect.signal("SIGSEGV")
    run.expect.fault(access="write")


@check("the stack has grown to the new limit", points=2, depends_on=overflow)
def grown(program):
    """256 KiB, not 8 MiB; each level takes a page, and rbx counts the levels."""
    run = program.run()
    run.expect.area(at="exit", name="[stack]", at_least=LIMIT - 2 * PAGE, at_most=LIMIT)
    depth = run.registers("exit")["rbx"]
    assert LIMIT // PAGE - 4 <= depth <= LIMIT // PAGE, f"rbx is {depth}"
    run = program.run(at=["label:deeper:2", "label:deeper:3"])
    level = run.registers("label:deeper:2")["rsp"] - run.registers("label:deeper:3")["rsp"]
    assert level == PAGE, f"one level takes {level} bytes of stack, not a page"
