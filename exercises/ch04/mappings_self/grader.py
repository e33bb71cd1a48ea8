"""mappings_self: print /proc/self/maps."""

from toolkit.grading import check, fail


@check("prints its whole map", points=4)
def whole_map(program):
    """Read and write until read returns 0, and write exactly as many bytes as came."""
    run = program.run(at=["exit"])
    if run.stdout != run.maps("exit").text.encode():
        run.expect.maps(run.stdout.decode("utf-8", "replace"), at="exit")
        fail(
            "the map that was printed differs from the kernel's",
            expected=run.maps("exit").text,
            actual=run.stdout,
        )


@check("ends with status 0", points=2)
def status(program):
    """exit(0): load rdi after the loop; registers keep what the last system call left in them."""
    program.run().expect.exit(0)
