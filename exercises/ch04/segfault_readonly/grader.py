"""segfault_readonly: write to a page whose rights are r--."""

from toolkit.grading import check

PAGE = 4096
GREETING_LENGTH = len(b"constant\n")


@check("dies of a segmentation fault", points=1)
def segfaults(program):
    """A write to a page that may only be read is answered with SIGSEGV."""
    program.run().expect.signal("SIGSEGV")


@check("writes to a page that is mapped but not writable", points=2, depends_on=segfaults)
def forbidden(program):
    """The address must lie in an area of the program that has no w. An address that nobody owns is the exercise segfault_badaddr."""
    run = program.run()
    run.expect.fault(access="write")
    run.expect.area(name="program", perms="r-?p", contains=run.fault.address)


@check("the page holds constants, not code", points=2, depends_on=forbidden)
def constant(program):
    """Write to a byte of `greeting`, and leave `greeting` in the section .rodata."""
    program.expect.symbol("greeting", section=".rodata")
    greeting = program.symbols["greeting"]
    program.run().expect.fault(access="write", address=range(greeting, greeting + GREETING_LENGTH))
