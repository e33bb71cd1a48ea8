"""``toolkit maps``, ``pages``, ``shm`` and ``trace``: a program is run and looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.execution import Execution, program_options

if TYPE_CHECKING:
    from toolkit.kernel.mm.snapshot import MapSnapshot
    from toolkit.kernel.moments import Stop

BUDGET = 100_000_000  # instructions: a program that loops for ever is looked at after so many

MOMENT_HELP = "start, exit (just before the end), syscall:NAME[:N], label:NAME[:N] or step:N."
_BEHIND = {"ignore_unknown_options": False}

file_argument = click.argument("file", type=click.Path(path_type=Path))
arguments_argument = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARG]...")
at_option = click.option("--at", "moment", default="exit", metavar="MOMENT", help=MOMENT_HELP)


def look(
    file: Path,
    arguments: tuple[str, ...],
    options: dict[str, Any],
    moments: dict[str, Callable[[Stop], None]],
) -> None:
    """Run the program, captured, and call each observer at its moment. Exits with 1 when one is never reached."""
    from toolkit.kernel.moments import Moment

    try:
        parsed = {text: Moment.parse(text) for text in moments}
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    execution = Execution(file, arguments, **options)
    reached: set[str] = set()
    with execution.kernel() as kernel:
        execution.spawn(passed_through=False)
        for text, observer in moments.items():

            def note(stop: Stop, text: str = text, observer: Callable[[Stop], None] = observer) -> None:
                reached.add(text)
                observer(stop)
                if text != "exit" and len(reached) == len(moments):
                    stop.finish()

            kernel.at(parsed[text], note)
        kernel.run(budget=BUDGET)
        if "exit" in moments and "exit" not in reached:
            note_running = moments["exit"]
            note_running(running_stop(kernel))
            reached.add("exit")
    missing = [text for text in moments if text not in reached]
    if missing:
        click.echo(f"toolkit: the program never came to {missing[0]}", err=True)
        raise click.exceptions.Exit(1)


def running_stop(kernel: Any) -> Stop:
    """The process of a run that was cut short, as it stands."""
    from toolkit.kernel.moments import Moment, Stop

    process = kernel.processes.main
    return Stop(kernel, process, process.threads[0], Moment("exit"))


@click.command(
    "maps",
    epilog="\b\nExamples:\n  toolkit maps hello.asm\n  toolkit maps mmap.asm --at syscall:exit\n"
    "  toolkit maps grow.asm --at exit --diff start\n  toolkit maps ./a.out --format smaps\n",
)
@program_options
@at_option
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["maps", "smaps", "vmmap", "json", "svg", "tree"]),
    default="maps",
)
@click.option("--diff", "earlier", metavar="MOMENT", help="Print what changed since this moment.")
@file_argument
@arguments_argument
def maps_command(
    file: Path,
    arguments: tuple[str, ...],
    moment: str,
    format_name: str,
    earlier: str | None,
    **options: Any,
) -> None:
    """Print a process's memory map at a moment, byte for byte as /proc/PID/maps shows it there."""
    from toolkit.kernel.mm.snapshot import take_snapshot

    seen: dict[str, MapSnapshot] = {}
    wanted = [moment] if earlier is None else list(dict.fromkeys([earlier, moment]))

    def note(text: str) -> Callable[[Stop], None]:
        return lambda stop: seen.__setitem__(text, take_snapshot(stop.process.memory))

    look(file, arguments, options, {text: note(text) for text in wanted})
    from toolkit.views.memory import difference, render

    if earlier is None:
        click.echo(render(seen[moment], format_name), nl=False)
    else:
        click.echo(difference(seen[earlier], seen[moment]), nl=False)


@click.command(
    "pages",
    epilog="\b\nExamples:\n  toolkit pages hello.asm\n  toolkit pages hello.asm --at start --address 0x401000\n",
)
@program_options
@at_option
@click.option("--address", metavar="A", help="Walk the page tables for this address or symbol.")
@file_argument
@arguments_argument
def pages_command(
    file: Path, arguments: tuple[str, ...], moment: str, address: str | None, **options: Any
) -> None:
    """Print the state of a process's pages at a moment, or the page-table walk of an address."""
    texts: list[str] = []

    def note(stop: Stop) -> None:
        from toolkit.views.pages import pages, walk

        if address is None:
            texts.append(pages(stop.process.memory))
        else:
            texts.append(walk(stop.process.memory, parse_address(address, stop)))

    look(file, arguments, options, {moment: note})
    click.echo(texts[0], nl=False)


def parse_address(text: str, stop: Stop) -> int:
    """A number, a register's name, or a symbol of the program. Raises UsageError."""
    try:
        return int(text, 0)
    except ValueError:
        pass
    if text in stop.registers:
        return stop.registers[text]
    from toolkit.kernel.elf_image import symbol_addresses

    executable = stop.process.executable
    known = {}
    if executable is not None:
        known = symbol_addresses(executable.pages.read(0, executable.pages.size), stop.process.load_bias)
    if text not in known:
        raise click.UsageError(f"--address {text}: neither a number nor a register nor a symbol")
    return known[text]


@click.command(
    "shm",
    epilog="\b\nExamples:\n  toolkit shm shared.asm\n  toolkit shm shared.asm --at syscall:shmdt\n",
)
@program_options
@at_option
@file_argument
@arguments_argument
def shm_command(file: Path, arguments: tuple[str, ...], moment: str, **options: Any) -> None:
    """Print the System V shared memory segments at a moment, as `lsipc -m` does; nothing when there are none."""
    from toolkit.views.segments import segments_table

    texts: list[str] = []
    look(file, arguments, options, {moment: lambda stop: texts.append(segments_table(stop.kernel))})
    click.echo(texts[0], nl=False)


@click.command("trace", epilog="\b\nExamples:\n  toolkit trace hello.asm\n  toolkit trace ./a.out one two\n")
@program_options
@file_argument
@arguments_argument
def trace_command(file: Path, arguments: tuple[str, ...], **options: Any) -> None:
    """Run a program and print its system calls on stderr, as strace(1) does. The exit status is the program's."""
    from toolkit.cli.run import print_trace

    execution = Execution(file, arguments, **options)
    with execution.kernel(trace=True):
        execution.spawn()
        outcome = execution.run(None)
        print_trace(execution, outcome)
    raise click.exceptions.Exit(outcome.status)
