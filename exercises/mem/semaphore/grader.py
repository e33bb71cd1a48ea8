"""semaphore: a lock around a counter in shared memory."""

from toolkit.grading import check

TIMES = 100


@check("no addition is lost", points=3)
def none_lost(program):
    """Parent and child count to 200 together, in a shared page, each with 100 calls of add_one."""
    run = program.run()
    run.expect.exit(2 * TIMES)
    run.expect.area(at="exit", path="/dev/zero (deleted)", perms="rw-s", size=4096)
    run.expect.syscall("mmap", args=(0, 4096, 3, 0x21), times=1)
    run.expect.syscall("fork", times=1)
    run.expect.syscall("sched_yield", times=2 * TIMES)


@check("each one alone, behind the lock", points=4, depends_on=none_lost)
def alone(program):
    """A set of one semaphore with the value 1; semop with take before each call of add_one and with give behind it."""
    run = program.run()
    run.expect.syscall("semget", args=(0, 1, 0o1600), succeeds=True, times=1)
    run.expect.syscall("semctl", args=(None, 0, 16, 1), result=0, times=1)
    run.expect.syscall("semop", args=(None, program.symbols["take"], 1), result=0, times=2 * TIMES)
    run.expect.syscall("semop", args=(None, program.symbols["give"], 1), result=0, times=2 * TIMES)


@check("leaves no semaphore behind", points=2, depends_on=none_lost)
def removed(program):
    """The parent waits for the child, then semctl with IPC_RMID: otherwise the set stays for ever."""
    run = program.run()
    run.expect.syscall("semctl", args=(None, 0, 0), result=0, times=1)
    child = next(call.result for call in run.syscalls if call.name == "fork")
    run.expect.syscall("wait4", args=(child,), result=child)
    run.expect.syscall("exit", args=(0,), times=1)
