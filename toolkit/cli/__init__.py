"""The command line. Only this package prints or exits.

A subcommand's module is imported when it is called: ``toolkit --help`` imports click and nothing else of weight.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import sys
from typing import NoReturn

import click

from toolkit import __version__

# name → (module, what `toolkit --help` says), in the order in which a newcomer needs them
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("check", "Grade your files: `toolkit check ch04`."),
    "list": ("course", "List chapters and exercises."),
    "start": ("loop", "Show where to begin, or choose the course's folder."),
    "show": ("loop", "Read an exercise's task in the terminal."),
    "hint": ("loop", "Give the next hint of an exercise."),
    "progress": ("loop", "Show how far you have come."),
    "reset": ("loop", "Put the starter file back; yours is kept as a backup."),
    "solution": ("loop", "Show the reference solution of an exercise you passed."),
    "init": ("course", "Copy the course into a folder of yours."),
    "build": ("build", "Assemble and link, as nasm and ld do."),
    "ld": ("ld", "Link with ld's own options: libraries, PIE, archives."),
    "run": ("run", "Run a program as a Linux process, on any computer."),
    "maps": ("views", "Print a process's memory map at a moment."),
    "pages": ("views", "Print page-table walks and the state of pages."),
    "size": ("binary", "Print an ELF file's sizes, as size(1) does."),
    "objdump": ("binary", "Print an ELF file's headers, as objdump(1) does."),
    "shm": ("views", "Print System V shared memory segments, as lsipc(1) does."),
    "trace": ("views", "Print a program's system calls, as strace(1) does."),
    "debug": ("debug", "Step through a program, forwards and back; or serve gdb."),
    "grade": ("grade", "Instructors: grade a whole class."),
    "results": ("results", "Instructors: query and export what was graded."),
    "similar": ("similar", "Instructors: rank pairs of alike submissions."),
    "recipes": ("recipes", "Instructors: copy out what grades in CI or on Gradescope."),
    "new": ("author", "Authors: make a new exercise."),
    "verify": ("author", "Authors: prove that an exercise grades what it should."),
    "doctor": ("doctor", "Say what this machine has, and what is missing."),
}

EPILOG = """\b
Examples:
  toolkit check ch04              grade the chapter's exercises
  toolkit check mmap --watch      again whenever the file is saved
  toolkit run hello.asm           assemble, link and run
  toolkit maps hello.asm          its memory map just before it ends
"""


class LazyGroup(click.Group):
    """Commands by name, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"toolkit.cli.{COMMANDS[name][0]}")
        command = getattr(module, f"{name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"no command {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="toolkit")
def cli() -> None:
    """Learn, teach and grade x86-64 Linux assembly on any computer."""


def main() -> NoReturn:
    """The console script. Exit statuses are those of the contract; 3 is our own fault."""
    _hold_closed_descriptors()
    _prepare_streams()
    try:
        result = cli.main(prog_name="toolkit", standalone_mode=False)
        status = result if isinstance(result, int) else 0  # click returns the code of an Exit
    except click.ClickException as error:
        with contextlib.suppress(OSError):  # nobody can be told where standard error is full
            error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        _tell("interrupted")
        status = 130
    except (BrokenPipeError, SystemExit):  # click turns the former into the latter, and nothing else
        status = _closed_pipe()
    except OSError as error:
        status = _machine_error(error) if error.errno in _MACHINE_ERRORS else _internal_error(error)
    except Exception as error:
        status = _internal_error(error)
    _flush(status)


def _hold_closed_descriptors() -> None:
    """A standard descriptor that was closed before we began would be given to the next file that we open."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _prepare_streams() -> None:
    """What a terminal or a code page can't show is escaped; what is piped is the same bytes on every system."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            if not stream.isatty():
                stream.reconfigure(newline="\n", encoding="utf-8" if os.name == "nt" else None)


def _flush(status: int) -> NoReturn:
    """Leave without the interpreter's slow farewell, once everything printed is out."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or _closed_pipe()
    except (OSError, ValueError) as error:
        if status == 0:
            status = 3
        with contextlib.suppress(OSError):
            os.write(2, f"toolkit: can't write the output: {error}\n".encode())
    os._exit(status)


def _closed_pipe() -> int:
    """Whoever read our output went away (``toolkit … | head``): as a native program, end quietly."""
    _drop_output()
    return 141


# What the computer refuses whoever asks: no room for what is written, no memory, a device that fails.
_MACHINE_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EFBIG,
        errno.EIO,
        errno.ENOMEM,
        errno.ENFILE,
        errno.EMFILE,
        getattr(errno, "EDQUOT", errno.ENOSPC),
    }
)


def _machine_error(error: OSError) -> int:
    where = f": {error.filename}" if error.filename else ""
    _tell(f"toolkit: {error.strerror}{where}")
    _drop_output()
    return 3


def _drop_output() -> None:
    """What was not written yet can't be: without this it would be tried, and fail, once more at the end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)


def _internal_error(error: Exception) -> int:
    if os.environ.get("TOOLKIT_DEBUG"):
        import traceback

        traceback.print_exception(error)
    from toolkit.grading.worker import describe_exception

    _tell(f"toolkit: {describe_exception(error)}")
    _tell("This is a fault of toolkit, not yours. TOOLKIT_DEBUG=1 shows where it happened.")
    return 3


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(text, err=True)
