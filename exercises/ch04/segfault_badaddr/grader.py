"""segfault_badaddr: read at an address that no area holds."""

from toolkit.grading import check

BELOW_IMAGE = 0x400000 - 1


@check("dies of a segmentation fault", points=2)
def segfaults(program):
    """The read must kill the process: nothing is mapped below the image, so the kernel sends SIGSEGV (a shell shows 139)."""
    program.run().expect.signal("SIGSEGV")


@check("reads the byte just below the image", points=3, depends_on=segfaults)
def reads_below(program):
    """The image begins at 0x400000. The byte just below it is at 0x3fffff; read it, do not write it or jump to it."""
    program.run().expect.fault(access="read", address=BELOW_IMAGE)
