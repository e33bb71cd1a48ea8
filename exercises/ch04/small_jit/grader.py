"""small_jit: W^X."""

from toolkit.grading import check

PAGE = 4096


@check("runs the code it made", points=3)
def runs(program):
    """The function doubles 21; it must run in the new page."""
    program.run().expect.exit(42)


@check("the page is executable and not writable in the end", points=2, depends_on=runs)
def executable(program):
    """mprotect(page, 4096, PROT_READ | PROT_EXEC)."""
    run = program.run()
    run.expect.syscall("mmap", args=(0, PAGE, 3))
    run.expect.syscall("mprotect", args=(None, PAGE, 5), result=0)
    run.expect.area(at="exit", name="", perms="r-xp", size=PAGE)


@check("no page is ever writable and executable", points=2, depends_on=runs)
def never_both(program):
    """PROT_WRITE | PROT_EXEC in one call gives both rights at once: do not."""
    run = program.run()
    for call in run.syscalls:
        if call.name in ("mmap", "mprotect"):
            assert call.arguments[2] & 6 != 6, f"{call.name} asked for a page that is writable and executable"
    run.expect.no_area(at="exit", perms="?wx?")
