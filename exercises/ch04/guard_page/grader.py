"""guard_page: take the rights from a page, and prove it."""

from toolkit.grading import check, fail

PAGE = 4096


@check("the pages around the guard still work", points=2)
def around(program):
    """Store a byte in the first and in the third page, then print `guarded`. Only then touch the guard."""
    program.run().expect.stdout(b"guarded\n")


@check("the middle page has no rights at all", points=3, depends_on=around)
def no_rights(program):
    """mprotect(second page, one page, PROT_NONE) splits the area of three pages into rw-, ---, rw-."""
    run = program.run()
    guard = run.expect.area(at="exit", name="", perms="---p", size=PAGE)
    run.expect.area(at="exit", name="", perms="rw-p", size=PAGE, end=guard.start)
    run.expect.area(at="exit", name="", perms="rw-p", start=guard.end, size=PAGE)
    for page, number in ((guard.start - PAGE, "first"), (guard.end, "third")):
        if not any(run.memory(page, PAGE, at="exit")):
            fail(
                f"nothing was stored in the {number} page",
                help="Store any byte but 0 in it, to prove that it still works.",
            )


@check("the guard page catches the byte behind the first page", points=3, depends_on=no_rights)
def catches(program):
    """The last store goes to the first byte of the guard page, and kills the program (status 139)."""
    run = program.run()
    run.expect.signal("SIGSEGV")
    guard = run.expect.area(at="exit", name="", perms="---p", size=PAGE)
    run.expect.fault(access="write", address=guard.start)
