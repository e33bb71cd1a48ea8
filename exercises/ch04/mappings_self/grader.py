"""mappings_self: print /proc/self/maps."""

from toolkit.grading import check


@check("prints its whole map", points=4)
def whole_map(program):
    """Read and write until read returns 0, and write exactly as many bytes as came."""
    run = program.run(at=["exit"])
    run.expect.stdout(run.maps("exit").text)


@check("ends with status 0", points=2)
def status(program):
    """exit(0): load rdi after the loop; registers keep what the last system call left in them."""
    program.run().expect.exit(0)
