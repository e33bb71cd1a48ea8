"""fork_wait: the wait status."""

from toolkit.grading import check


@check("a child that ends by itself", points=3)
def by_itself(program):
    """Bits 8 to 15 of the wait status."""
    program.expect.call("outcome", program.symbols["fine"], returns=203)


@check("a child that is killed", points=3)
def killed(program):
    """SIGSEGV is 11, SIGTRAP is 5; bit 7 (a core was dumped) does not belong to the signal's number."""
    program.expect.call("outcome", program.symbols["crash"], returns=139)
    program.expect.call("outcome", program.symbols["trap"], returns=133)


@check("the whole program ends like its child", points=1, depends_on=killed)
def whole(program):
    """The starter's _start hands the result on."""
    program.run().expect.exit(139)
