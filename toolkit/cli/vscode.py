"""The tasks file for VS Code: check and run the file in front by a key, errors as problems of the editor."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

FILE = "([^:\\s]+\\.(?:asm|inc|mac))"
DIAGNOSTIC = {
    "regexp": f"^\\s*{FILE}:(\\d+):(?:(\\d+):)?\\s*(?:(error|warning|note):\\s*)?(\\S.*)$",
    "file": 1,
    "line": 2,
    "column": 3,
    "severity": 4,
    "message": 5,
}
FAILED_CHECK = [  # two lines, one below the other; the editor takes no problem without a message
    {"regexp": "^\\s+(\\S.*)$", "message": 1},
    {"regexp": f"^\\s+where:\\s+{FILE}:(\\d+)(?::(\\d+))?$", "file": 1, "line": 2, "column": 3},
]


def tasks() -> dict[str, Any]:
    """The document. It names this Python, because an editor knows nothing of a virtual environment in a terminal."""
    shared = {"type": "process", "command": sys.executable, "presentation": {"clear": True}}
    matcher = {"owner": "toolkit", "fileLocation": ["autodetect", "${fileDirname}"]}
    return {
        "version": "2.0.0",
        "tasks": [
            {
                "label": "toolkit: check this exercise",
                **shared,
                "args": ["-m", "toolkit", "check", "${fileDirname}"],
                "group": {"kind": "build", "isDefault": True},
                "problemMatcher": [{**matcher, "pattern": DIAGNOSTIC}, {**matcher, "pattern": FAILED_CHECK}],
            },
            {
                "label": "toolkit: hint for this exercise",
                **shared,
                "args": ["-m", "toolkit", "hint", "${fileDirname}"],
                "problemMatcher": [],
            },
            {
                "label": "toolkit: run this program",
                **shared,
                "args": ["-m", "toolkit", "run", "${file}"],
                "problemMatcher": [],
            },
        ],
    }


def write_tasks(folder: Path) -> None:
    """Write .vscode/tasks.json, keeping one that differs as a backup. Raises UsageError."""
    from toolkit.cli.common import UserError, keep_backup

    path = folder / ".vscode" / "tasks.json"
    data = (json.dumps(tasks(), indent=2) + "\n").encode()
    try:
        if path.exists() and path.read_bytes() != data:
            click.echo(f"{path.name} of yours is kept as {keep_backup(path).name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error
    click.echo(f"{path} is written: Ctrl-Shift-B checks the exercise you are editing.")
