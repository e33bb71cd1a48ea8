"""copy_on_write: private memory after fork."""

from toolkit.grading import check


@check("the child has a number of its own", points=3)
def own(program):
    """The child's 9 makes 90; the parent's number is still 5."""
    program.run().expect.exit(95)


@check("the variable is written, in the child alone", points=2, depends_on=own)
def written(program):
    """At the end of the parent `number` holds 5; both processes read it from memory."""
    run = program.run()
    run.expect.memory("number", b"\x05\0\0\0", at="exit")
    assert any(
        one.mnemonic in ("add", "mov", "inc", "lea", "sub") and "]" in one.operands.split(",")[0]
        for one in program.instructions
    ), "no instruction writes to memory"


@check("with fork and wait", points=1, depends_on=own)
def processes(program):
    """One child, waited for."""
    run = program.run()
    run.expect.syscall("fork", times=1)
    child = next(call.result for call in run.syscalls if call.name == "fork")
    waits = [call for call in run.syscalls if call.name == "wait4"]
    assert waits, "nobody waits for the child"
    for call in waits:
        assert call.arguments[0] & 0xFFFFFFFF in (child, 0xFFFFFFFF), f"wait4 is called for {call.text}"
        assert call.result == child, f"a wait went wrong: {call.text}"
