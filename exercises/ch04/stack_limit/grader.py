"""stack_limit: a stack overflow."""

from toolkit.grading import check

LIMIT = 8 * 1024 * 1024
PAGE = 4096


@check("dies of a stack overflow", points=2)
def overflow(program):
    """A push or call below the limit: SIGSEGV, writing."""
    run = program.run()
    run.expect.signal("SIGSEGV")
    run.expect.fault(access="write")


@check("the stack has grown to its limit", points=2, depends_on=overflow)
def grown(program):
    """[stack] is nearly 8 MiB long at the end; at the start it has 132 KiB."""
    run = program.run(at=["start", "exit"])
    run.expect.area(at="exit", name="[stack]", at_least=LIMIT - 16 * PAGE, at_most=LIMIT)


@check("counts the levels", points=2, depends_on=grown)
def counts(program):
    """One level takes one page: rbx is nearly 2048."""
    depth = program.run().registers("exit")["rbx"]
    assert 2000 <= depth <= 2048, f"rbx is {depth}"
    run = program.run(at=["label:deeper:2", "label:deeper:3"])
    level = run.registers("label:deeper:2")["rsp"] - run.registers("label:deeper:3")["rsp"]
    assert level == PAGE, f"one level takes {level} bytes of stack, not a page"
