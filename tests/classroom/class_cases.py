"""A small exercise's grader, and submissions of it."""

from __future__ import annotations

GRADER = '''from toolkit.grading import check
@check("exits", points=2)
def exits(program):
    """It must end."""
    assert program.run().exit_code == 7
@check("prints", points=3, depends_on=exits, visibility="hidden")
def prints(program):
    """The secret word is tulip."""
    program.run().expect.stdout(b"tulip")
'''
GOOD = b"global _start\n_start: mov eax, 1\n mov edi, 1\n mov rsi, t\n mov edx, 5\n syscall\n mov eax, 60\n mov edi, 7\n syscall\nt: db 'tulip'\n"
SILENT = b"global _start\n_start: mov eax, 60\n mov edi, 7\n syscall\n"
WRONG = b"global _start\n_start: mov eax, 60\n mov edi, 8\n syscall\n"
