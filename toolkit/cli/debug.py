"""``toolkit debug``: step through a program, forwards and back, or let gdb do it."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from toolkit.cli.execution import Execution, program_options

if TYPE_CHECKING:
    from toolkit.debug.session import Session
    from toolkit.debug.sight import Run
    from toolkit.kernel.outcome import Outcome

EPILOG = """\b
Examples:
  toolkit debug crash.asm
  toolkit debug --stdin numbers.txt sum.asm one two
  toolkit debug hello.asm --gdb 1234     and elsewhere: gdb ./hello -ex 'target remote :1234'
Keys of the full screen: s step, b back, n over a call, f finish a function, c continue, r continue backwards,
space breakpoint, t run to the cursor, g go to step N, / search, m memory, i input, ? help, q quit.
\b
Without a terminal, or with --line, commands are read line by line: s [N] step, b [N] back, c [LABEL] continue,
rc [LABEL] back to, g N go to instruction N, r registers, x ADDRESS [BYTES] memory, o output so far, m map, q quit;
an empty line repeats the last one.
"""
NO_TEXTUAL = (
    "toolkit: the full screen needs textual, which one command installs: {} -m pip install textual\n"
    "toolkit: going on line by line; `toolkit debug --help` lists the commands"
)


@click.command(
    "debug", epilog=EPILOG, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True}
)
@program_options
@click.option(
    "--gdb",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve gdb on this port of this machine.",
)
@click.option("--line", is_flag=True, help="Read commands line by line, also on a terminal.")
@click.option(
    "--stdin", "stdin", type=click.Path(path_type=Path), metavar="FILE", help="What the program reads."
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARG]...")
def debug_command(
    port: int | None,
    line: bool,
    stdin: Path | None,
    file: Path,
    arguments: tuple[str, ...],
    **options: Any,
) -> None:
    """Step through FILE (an .asm, built first, or a Linux ELF program), forwards and back, on the full screen."""
    from toolkit.cli.common import read_binary
    from toolkit.debug.session import Session

    data = b"" if stdin is None else read_binary(stdin)
    execution = Execution(file, arguments, **options)
    session = Session(execution.built, lambda given: begin(execution, given), data)
    try:
        if port is not None:
            _serve(session, port)
        elif line or not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
            _converse(session, execution)
        elif importlib.util.find_spec("textual") is None:
            click.echo(NO_TEXTUAL.format(Path(sys.executable).name), err=True)
            _converse(session, execution)
        else:
            from toolkit.debug.screen import Debugger

            app = Debugger(session, execution.name)
            app.run()
            if app.fault is not None:
                raise app.fault
    finally:
        session.close()


def begin(execution: Execution, given: bytes) -> Run:
    """The program before its first instruction, its streams kept in memory."""
    from toolkit.debug.sight import Run

    run = Run(execution.kernel(trace=True), given, lambda outcome: _fate(execution, outcome))
    execution.spawn(
        streams={
            "stdin": given,
            "stdout": lambda data: run.output.append((1, bytes(data))),
            "stderr": lambda data: run.output.append((2, bytes(data))),
        }
    )
    run.stdin = run.kernel.processes.main.files.get(0)
    return run


def _fate(execution: Execution, outcome: Outcome) -> list[str]:
    if outcome.exit_code is not None:
        return [f"exit status {outcome.exit_code}", *execution.fate(outcome)]
    return execution.fate(outcome) or [f"killed by {outcome.signal_name}"]


def _serve(session: Session, port: int) -> None:
    from toolkit.debug.gdb import serve

    try:
        serve(
            session.timeline,
            port,
            lambda chosen: click.echo(f"waiting for gdb: target remote :{chosen}", err=True),
        )
    except OSError as error:
        raise click.UsageError(f"--gdb {port}: {error.strerror}") from error


def _converse(session: Session, execution: Execution) -> None:
    """Read commands until q or the end of the input."""
    from toolkit.debug.stepper import Stepper

    stepper = Stepper(
        session.timeline,
        execution.built,
        lambda outcome: session.run.fate(outcome),
        lambda: b"".join(data for _, data in session.run.output),
    )
    signal.signal(signal.SIGINT, lambda number, frame: setattr(stepper, "stopped", True))
    stream: TextIO = sys.stdin
    interactive = stream.isatty()
    click.echo(stepper.where())
    last = ""
    while True:
        if interactive:
            click.echo("> ", nl=False)
        line = stream.readline()
        if not line:
            return
        command = line.strip() or last
        if command in ("q", "quit"):
            return
        last = command
        click.echo(stepper.obey(command))
