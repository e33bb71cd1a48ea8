"""``toolkit run``: a program as a Linux process, its streams passed through, its exit status ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.execution import Execution, program_options

if TYPE_CHECKING:
    from toolkit.kernel.outcome import Outcome

EPILOG = """\b
Examples:
  toolkit run hello.asm
  toolkit run mmap                        an exercise's program, by its name, with its files
  toolkit run cat.asm notes.txt --file notes.txt=my/notes.txt
  echo 12 34 | toolkit run sum.asm
  toolkit run --strace ./a.out            also its system calls, on stderr
The exit status is the program's: its own code, or 128 + the signal that killed it (139 for a segmentation fault).
"""


@click.command(
    "run", epilog=EPILOG, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@program_options
@click.option(
    "--max-instructions", type=click.IntRange(1), metavar="N", help="End the run after so many instructions."
)
@click.option("--strace", is_flag=True, help="Print system calls on stderr.")
@click.option("--explain/--no-explain", default=True, help="Say why a program was killed.")
@click.option(
    "--save-evidence", type=click.Path(path_type=Path), metavar="FILE", help="Write what was seen, as JSON."
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARG]...")
def run_command(
    file: Path,
    arguments: tuple[str, ...],
    max_instructions: int | None,
    strace: bool,
    explain: bool,
    save_evidence: Path | None,
    **options: object,
) -> None:
    """Run FILE (an .asm, built first, an exercise, or any Linux ELF program) with ARGs.

    Options of toolkit stand before FILE; everything behind it is the program's.
    """
    execution = Execution(file, arguments, **options)  # type: ignore[arg-type]
    with execution.kernel(trace=strace or save_evidence is not None):
        execution.spawn(passed_through=save_evidence is None)
        outcome = execution.run(max_instructions)
        if strace:
            print_trace(execution, outcome)
        for line in execution.fate(outcome, explain=explain):
            click.echo(line, err=True)
        if save_evidence is not None:
            _save(execution, outcome, save_evidence)
        execution.keep_changes()
    raise click.exceptions.Exit(outcome.status)


def print_trace(execution: Execution, outcome: Outcome) -> None:
    """The execve that began it, and the recorded calls and signals, on stderr, in strace's form."""
    from toolkit.views.activity import render_trace

    sys.stdout.flush()
    click.echo(execution.first_trace_lines() + render_trace(outcome.trace), err=True, nl=False)


def _save(execution: Execution, outcome: Outcome, path: Path) -> None:
    from toolkit.cli.common import write_bytes
    from toolkit.grading.wire import evidence_json

    evidence = execution.evidence(outcome)
    os.write(1, evidence.stdout)
    os.write(2, evidence.stderr)
    write_bytes(path, evidence_json(evidence))
