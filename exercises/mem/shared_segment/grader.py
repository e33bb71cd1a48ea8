"""shared_segment: shmget, shmat, shmdt, shmctl."""

from toolkit.grading import check


@check("the child's number reaches the parent", points=3)
def reaches(program):
    """2026 is 7 * 256 + 234."""
    program.run().expect.exit(234)


@check("through a segment of 8000 bytes", points=2, depends_on=reaches)
def segment(program):
    """Two pages in the map, shared, called /SYSV and the key in hexadecimal."""
    run = program.run(at=["syscall:shmdt"])
    run.expect.syscall("shmget", args=(0, 8000), succeeds=True)
    run.expect.syscall("shmat", args=(None, 0, 0), succeeds=True)
    run.expect.area(at="syscall:shmdt", path="/SYSV00000000 (deleted)", perms="rw-s", size=8192)


@check("the child wrote it", points=1, depends_on=segment)
def child(program):
    """fork once, wait for the child."""
    run = program.run()
    run.expect.syscall("fork", times=1)
    child = next(call.result for call in run.syscalls if call.name == "fork")
    waits = [call for call in run.syscalls if call.name == "wait4"]
    assert waits, "nobody waits for the child"
    for call in waits:
        assert call.arguments[0] & 0xFFFFFFFF in (child, 0xFFFFFFFF), f"wait4 is called for {call.text}"
        assert call.result == child, f"a wait went wrong: {call.text}"


@check("nothing is left behind", points=2, depends_on=segment)
def removed(program):
    """shmdt, and shmctl with IPC_RMID: otherwise the segment stays for ever."""
    run = program.run()
    run.expect.syscall("shmdt", result=0)
    run.expect.syscall("shmctl", args=(None, 0), result=0)
