"""mmap_flags: hints, MAP_FIXED, MAP_FIXED_NOREPLACE."""

from toolkit.grading import check

A = 0x10000000
FIXED, NOREPLACE, PRIVATE = 0x10, 0x100000, 0x22


def mappings(run):
    return [call for call in run.syscalls if call.name == "mmap"]


@check("maps at the hint, then elsewhere", points=2)
def hint(program):
    """The first call gives A; the second, with the same hint, another address."""
    calls = mappings(program.run())
    assert len(calls) >= 2, f"mmap was called {len(calls)} times"
    for call in calls[:2]:
        assert call.arguments[0] == A, f"the first argument was {call.arguments[0]:#x}, not {A:#x}"
        assert not call.arguments[3] & (FIXED | NOREPLACE), "the first two calls must only give a hint"
    assert calls[0].result == A, "the first page is not at A"
    assert calls[1].error is None, f"the second call failed: {calls[1].error}"
    assert calls[1].result != A, "the second page took the place of the first"


@check("is refused with MAP_FIXED_NOREPLACE", points=2, depends_on=hint)
def noreplace(program):
    """EEXIST: something is there."""
    calls = mappings(program.run())
    assert len(calls) == 4, f"mmap was called {len(calls)} time(s), not 4 times"
    for call in calls:
        assert call.arguments[1:3] == (4096, 3), "not every call asks for one page, readable and writable"
    assert calls[2].arguments[3] == NOREPLACE | PRIVATE, (
        "the third call's flags are not MAP_FIXED_NOREPLACE, private, anonymous"
    )
    assert calls[2].error == "EEXIST", f"the third call gave {calls[2].error}"


@check("replaces with MAP_FIXED", points=2, depends_on=noreplace)
def fixed(program):
    """The new page is full of zeros; the page of step 2 still holds its 2."""
    run = program.run()
    calls = mappings(run)
    assert calls[3].arguments[3] & FIXED, "the fourth call has no MAP_FIXED"
    assert calls[3].result == A, "the fourth call did not map at A"
    run.expect.memory(A, b"\0", at="exit")
    run.expect.memory(calls[1].result, b"\x02", at="exit")
    assert run.memory(A, 1, at="syscall:mmap:4") == b"\x01", "the byte at A was not 1 before the last call"


@check("ends with status 17", points=1, depends_on=fixed)
def status(program):
    """17 + 0."""
    program.run().expect.exit(17)
