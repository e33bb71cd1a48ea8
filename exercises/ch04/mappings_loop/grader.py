"""mappings_loop: a worked example; the starter is complete."""

from toolkit.grading import check

WORKED_EXAMPLE = True
LOOKING = "step:1000"


def run_until_ended(program):
    return program.run(kill_at="step:5000", kill_with="SIGTERM", at=[LOOKING])


@check("keeps running until somebody ends it", points=2)
def keeps_running(program):
    """The program must jump to itself for ever: `_start: jmp _start`. Only the signal from outside may end it."""
    run_until_ended(program).expect.signal("SIGTERM")


@check("may run its code but not change it", points=1, depends_on=keeps_running)
def code(program):
    """Code belongs into `section .text`, which the linker gives the rights r-x."""
    run = run_until_ended(program)
    run.expect.area(at=LOOKING, name="program", perms="r-xp", contains="_start")


@check("has a page of data that it may write", points=1, depends_on=keeps_running)
def data(program):
    """Variables with a first value belong into `section .data`."""
    run_until_ended(program).expect.area(at=LOOKING, name="program", perms="rw-p", size=4096)


@check("has a stack", points=1, depends_on=keeps_running)
def stack(program):
    """The kernel gives every process a stack; the program does nothing for it."""
    run_until_ended(program).expect.area(at=LOOKING, name="[stack]", perms="rw-p")
