"""Running one program in this process for the commands that do: options, streams, and what is left afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from toolkit.abi.errno import Errno
    from toolkit.grading.evidence import Evidence, RunRequest
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.outcome import Outcome
    from toolkit.machine.cpu import Machine

Command = TypeVar("Command", bound=Callable[..., Any])


def program_options(command: Command) -> Command:
    """The options by which every command that runs a program sets it up."""
    for option in reversed(
        (
            click.option("--memory", metavar="SIZE", help="Physical memory, such as 64M."),
            click.option("--swap", metavar="SIZE", help="Swap space, such as 8M; none unless given."),
            click.option(
                "--file",
                "host_files",
                multiple=True,
                metavar="NAME=PATH",
                help="Put a host file into its directory.",
            ),
            click.option(
                "--root", type=click.Path(path_type=Path), metavar="DIR", help="A host directory, seen as /."
            ),
            click.option("--write", is_flag=True, help="With --root: write changes back to DIR."),
            click.option("--env", multiple=True, metavar="K=V", help="A variable of its environment."),
            click.option("--seed", type=int, default=0, help="Seed of everything that is left to chance."),
        )
    ):
        command = option(command)
    return command


class Execution:
    """One program and one run of it. Raises UsageError for options that make no sense."""

    def __init__(
        self,
        file: Path,
        arguments: Sequence[str],
        memory: str | None = None,
        swap: str | None = None,
        host_files: Sequence[str] = (),
        root: Path | None = None,
        write: bool = False,
        env: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        from toolkit.cli.common import parse_size
        from toolkit.cli.interrupt import Interrupts
        from toolkit.cli.programs import load_program, program_file

        file = program_file(file)
        self._memory = None if memory is None else parse_size(memory)
        self._swap = 0 if swap is None else parse_size(swap)
        self._environment = [_assignment("--env", each) for each in env]
        self._files = dict(_host_file(each) for each in host_files)
        self._root = root
        self._write = write
        self._seed = seed
        if root is not None and not root.is_dir():
            raise click.UsageError(f"--root {root} is not a directory")
        if write and root is None:
            raise click.UsageError("--write needs --root DIR")
        self.name = file.stem if file.suffix.lower() in (".asm", ".s", ".nasm") else file.name
        self._typed = f"./{self.name}" if self.name != file.name or file.parent == Path() else str(file)
        self._arguments = [os.fsencode(each) for each in arguments]
        self._files = {**_exercise_files(file), **self._files}
        self.built = load_program(file)
        self._machine: Machine | None = None
        self._kernel: Kernel | None = None
        self._recorder: Any = None
        self._abi, self._main_pid, self._environment_address = "x86_64", 0, 0
        self._interrupts = Interrupts()
        self._known: frozenset[int] = frozenset()

    def kernel(self, *, trace: bool = False) -> Kernel:
        """The emulated computer, on the same machine each time; use it with ``with`` around everything that follows."""
        from toolkit.kernel.kernel import Kernel
        from toolkit.machine.cpu import Machine

        self._machine = self._machine or Machine()
        # With --root the program is who we are, so that it may do there what we may; on Windows all belongs to 0.
        own = (getattr(os, "getuid", int)(), getattr(os, "getgid", int)())
        uid, gid = (1000, 1000) if self._root is None else own
        mounts = {} if self._root is None else {"/": str(self._root.resolve())}
        self._kernel = Kernel(
            self._machine,
            seed=self._seed,
            memory=self._memory,
            swap=self._swap,
            files=self._files,
            mounts=mounts,
            trace=trace,
            uid=uid,
            gid=gid,
        )
        return self._kernel

    def request(self) -> RunRequest:
        """This run as a grading would ask for it: what the recorder needs to know."""
        from toolkit.grading.evidence import BuildRequest, RunRequest

        return RunRequest(BuildRequest(self.name, elf=self.built.elf), budget=None, seed=self._seed)

    def spawn(self, *, passed_through: bool = True, streams: Mapping[str, Any] | None = None) -> None:
        """Start the process, with our own streams, captured ones, or those given (as `Kernel.spawn` takes them)."""
        from toolkit.grading.recording import Recorder
        from toolkit.kernel.errors import SyscallError

        assert self._kernel is not None
        assert self.built.elf is not None
        if streams is None:
            streams = self._own_streams(passed_through)
        try:
            self._kernel.spawn(
                self.built.elf,
                [os.fsencode(self._typed), *self._arguments],
                self._environment,
                name=self.name,
                **streams,
            )
        except SyscallError as error:
            click.echo(f"toolkit: {self._typed}: cannot execute: {error.errno.name}", err=True)
            raise click.exceptions.Exit(126) from error
        main = self._kernel.processes.main
        if main.dead:
            click.echo("Segmentation fault", err=True)
            click.echo("toolkit: it was killed while it was being started: more --memory is needed", err=True)
            raise click.exceptions.Exit(139)
        self._abi, self._main_pid = main.personality.name, main.pid
        self._environment_address = main.memory.places.env_start
        if self._write:
            from toolkit.kernel.fs.changes import known_inodes

            self._known = known_inodes(self._kernel.files.root)
        self._recorder = Recorder(self.built, self.request())
        self._recorder.attach(self._kernel)

    def _own_streams(self, passed_through: bool) -> dict[str, Any]:
        streams: dict[str, Any] = {"stdin": self._read_stdin}
        if passed_through:
            sys.stdout.flush()
            terminal = os.isatty(0) and os.isatty(1)
            streams |= {"stdout": self._writer(1), "stderr": self._writer(2), "terminal": terminal}
        return streams

    def run(self, budget: int | None) -> Outcome:
        """Run to the end."""
        from toolkit.cli.interrupt import passed_on

        assert self._kernel is not None
        with passed_on(self._kernel, self._interrupts):
            return self._kernel.run(budget=budget)

    def first_trace_lines(self) -> str:
        """What strace prints before the program's first system call."""
        from toolkit.views.activity import exec_line, mode_line

        arguments = [os.fsencode(self._typed), *self._arguments]
        line = exec_line(self._typed, arguments, len(self._environment), self._environment_address)
        return line + mode_line(self._main_pid, self._abi)

    def _read_stdin(self, count: int) -> bytes:
        """Wait for input; Ctrl-C meanwhile interrupts the program's system call, as signal(7) says."""
        from toolkit.abi.errno import Errno
        from toolkit.abi.signals import Signal
        from toolkit.kernel.errors import SyscallError

        assert self._kernel is not None
        self._interrupts.reading = True
        try:
            if self._kernel.current is not None and self._kernel.current.signal_pending:
                raise SyscallError(Errno.EINTR)  # it came between the kernel's last look and `reading`
            if sys.__stdin__ is None:  # it was closed before we began
                raise SyscallError(Errno.EBADF)
            data = os.read(0, count)
            return data.replace(b"\r\n", b"\n") if os.name == "nt" and os.isatty(0) else data
        except OSError as error:
            raise SyscallError(host_error(error)) from None
        except KeyboardInterrupt:
            self._kernel.send_signal(Signal.SIGINT)
            raise SyscallError(Errno.EINTR) from None
        finally:
            self._interrupts.reading = False

    def _writer(self, descriptor: int) -> Callable[[bytes], None]:
        """Write through. When our reader is gone the program learns it as from a pipe: SIGPIPE and EPIPE (pipe(7))."""
        from toolkit.abi.errno import Errno
        from toolkit.abi.signals import Signal
        from toolkit.kernel.errors import SyscallError

        def write(data: bytes) -> None:
            view = memoryview(data)
            if (sys.__stdout__, sys.__stderr__)[descriptor - 1] is None:
                raise SyscallError(Errno.EBADF)
            try:
                while view:
                    view = view[os.write(descriptor, view) :]
            except BrokenPipeError:
                assert self._kernel is not None
                self._kernel.send_signal(Signal.SIGPIPE)
                raise SyscallError(Errno.EPIPE) from None
            except OSError as error:
                raise SyscallError(host_error(error)) from None

        return write

    def evidence(self, outcome: Outcome) -> Evidence:
        """What a grading would have been given."""
        from toolkit.grading.engine import evidence_of

        assert self._kernel is not None
        return evidence_of(self._kernel, self.built, self.request(), self._recorder, outcome)

    def fate(self, outcome: Outcome, *, explain: bool = True) -> list[str]:
        """What the shell would say of a run that ended badly, and why if that is wanted, in lines; empty for an exit."""
        from toolkit.grading.expectations import describe_cut
        from toolkit.grading.explain import explain_fate

        evidence = self.evidence(outcome)
        lines = [outcome.shell_message] if outcome.shell_message else []
        if evidence.cut_short:
            where = f", at {evidence.last_location}" if evidence.last_location is not None else ""
            lines.append(f"toolkit: {describe_cut(evidence)}{where}")
        lines += [f"  {line}" for line in explain_fate(evidence) if explain]
        missing = "toolkit: the emulated kernel lacks {}; the program was told ENOSYS"
        return lines + [missing.format(name) for name in evidence.unsupported]

    def keep_changes(self) -> None:
        """With ``--write``: bring what the program changed below / back into the host's directory."""
        if not self._write or self._root is None or self._kernel is None:
            return
        from toolkit.cli.common import write_back
        from toolkit.kernel.fs.changes import changes_below
        from toolkit.kernel.fs.vfs import HostDirectory

        root = self._kernel.files.root
        assert isinstance(root, HostDirectory)
        write_back(list(changes_below(root, self._known)), self._root)


def host_error(error: OSError) -> Errno:
    """What the host says of one of our streams, in the number that Linux has for it."""
    import errno

    from toolkit.abi.errno import Errno

    return Errno.__members__.get(errno.errorcode.get(error.errno or 0, ""), Errno.EIO)


def _assignment(option: str, text: str) -> bytes:
    name, equals, _ = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{option} {text}: write NAME=VALUE")
    return os.fsencode(text)


def _host_file(text: str) -> tuple[str, bytes]:
    from toolkit.cli.common import read_binary

    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise click.UsageError(f"--file {text}: write NAME=PATH")
    return name, read_binary(Path(path))


def _exercise_files(file: Path) -> dict[str, bytes]:
    """What an exercise's program finds in its directory, if the source lies in an exercise's folder."""
    folder = file.resolve().parent
    folder = folder.parent if folder.name in ("reference", "mutants") else folder
    if not (folder / "grader.py").is_file():
        return {}
    from toolkit.grading.exercise import read_folder

    return {each.name: each.data for each in read_folder(folder / "files")}
