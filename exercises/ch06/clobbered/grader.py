"""clobbered: rcx, r11, rax."""

from toolkit.grading import check, given, strategies


@check("writes three times", points=2)
def three(program):
    """The counter must not live in rcx, r11 or rax."""
    program.expect.call("repeat", b"again ", 6, 3, stdout=b"again again again ", returns=18)


@check("writes as often as it is told", points=2, depends_on=three)
@given(strategies.binary(min_size=1, max_size=10), strategies.integers(0, 12))
def often(program, text, times):
    """Zero times means nothing at all; rbx, rbp and r12 to r15 must have their old values afterwards."""
    program.expect.call("repeat", text, len(text), times, stdout=text * times, returns=len(text) * times)


@check("one system call each time", points=1, depends_on=three)
def calls(program):
    """write, as often as told."""
    program.run().expect.syscall("write", times=3)
