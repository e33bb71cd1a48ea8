"""The emulated computer that a run begins with: a program loaded and not yet begun. Made anew, or the last one taken back.

A check makes many runs of one program that differ in standard input, the function called, or what is looked at. From the
second such run on the computer is kept, and taken back to its first instruction afterwards (`kernel.checkpoint`): to the
program it is a fresh one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.grading.evidence import RunRequest

if TYPE_CHECKING:
    from toolkit.kernel.checkpoint import Checkpoint
    from toolkit.kernel.kernel import Kernel
    from toolkit.machine.cpu import Machine

OUTPUT_LIMIT = 8 << 20  # bytes a graded run may print
PRINTED_CALLS = 2_000  # of a graded run's system calls that are written out as strace does
STORAGE_LIMIT = 32 << 20  # bytes a graded run may write into files
MEMORY_LIMIT = (
    128 << 20
)  # bytes of physical memory of the emulated computer, unless the grader says otherwise


class Computers:
    """Hands out one computer at a time, all of them on one machine."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._kernel: Kernel | None = None
        self._checkpoint: Checkpoint | None = None
        self._last: tuple[object, ...] = ()
        self._restorable = True

    @property
    def machine(self) -> Machine:
        """The one machine, made on first use."""
        if self._machine is None:
            from toolkit.machine.cpu import Machine

            self._machine = Machine()
            # The first change to compatibility mode needs a machine on which nothing has run; the CPU's state is kept.
            self._machine.set_mode(32)
            self._machine.set_mode(64)
        return self._machine

    def ready(self, request: RunRequest, program: bytes) -> Kernel:
        """A computer whose main process, of the ELF file `program`, is about to begin. Raises SyscallError as execve does."""
        start = beginning(request)
        repeated, self._last = start == self._last, start
        if not repeated:
            self._restorable = True
        kernel = self._restored()
        if kernel is not None and repeated:
            kernel.processes.feed(request.stdin)
            return kernel
        self.shut_down()
        kernel = self._kernel = loaded(self.machine, request, program)
        if repeated and self._restorable:
            self._keep(kernel)
        return kernel

    def done(self) -> None:
        """The run is over and its evidence taken: a computer that is not kept gives the machine back."""
        from toolkit.kernel.kernel import KEPT_FRAMES

        kernel = self._kernel
        if kernel is not None and (self._checkpoint is None or kernel.frames.fresh > KEPT_FRAMES):
            self.shut_down()

    def shut_down(self) -> None:
        """Make the machine pristine."""
        kernel, self._kernel, self._checkpoint = self._kernel, None, None
        if kernel is not None:
            kernel.close()

    def _restored(self) -> Kernel | None:
        from toolkit.kernel.checkpoint import Unrestorable

        if self._checkpoint is not None:
            try:
                self._checkpoint.restore()
                return self._kernel
            except Unrestorable:
                self._restorable = False
        return None

    def _keep(self, kernel: Kernel) -> None:
        from toolkit.kernel.checkpoint import Checkpoint, Unrestorable

        try:
            self._checkpoint = Checkpoint(kernel)
        except Unrestorable:
            self._restorable = False


def beginning(request: RunRequest) -> tuple[object, ...]:
    """What a request says about the computer before the program's first instruction, but for the standard input."""
    return (
        *(request.build, request.arguments, request.environment, request.files, request.call is None),
        *(request.seed, request.memory, request.swap, request.events),
    )


def loaded(machine: Machine, request: RunRequest, program: bytes) -> Kernel:
    """A fresh computer with the program loaded, and ready for a call if the request is one; the machine is pristine again if that fails. Raises SyscallError."""
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.limits import Limits

    kernel = Kernel(
        machine,
        seed=request.seed,
        memory=request.memory or MEMORY_LIMIT,
        swap=request.swap,
        files={file.name: file.data for file in request.files},
        limits=Limits(
            output=OUTPUT_LIMIT,
            storage=STORAGE_LIMIT,
            events=request.events,
            trace=request.events,
            printed=PRINTED_CALLS,
        ),
        trace=True,
    )
    if request.memory is None:  # promises are those of the whole machine, as large mappings are common
        kernel.frames.commitment.memory = machine.memory_size >> 12
    try:
        kernel.spawn(
            program,
            [f"./{request.build.name}".encode(), *request.arguments],
            request.environment,
            name=request.build.name,
            stdin=request.stdin,
        )
        if request.call is not None:
            from toolkit.grading.caller import stand_ready

            stand_ready(kernel, request.seed)
    except BaseException:
        kernel.close()
        raise
    return kernel
