"""Gradescope's ``submission_metadata.yml``: which folder is whose, and when it was handed in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LARGEST = 64 << 20


@dataclass(frozen=True)
class Person:
    """A submitter: the student number where there is one, else the address."""

    identity: str
    name: str
    aliases: tuple[str, ...]


def read_metadata(path: Path) -> Iterator[tuple[str, list[Person], float | None]]:
    """(folder, submitters, time) for each submission. Raises IntakeError when the file can't be read."""
    from toolkit.classroom.intake import IntakeError

    try:
        import yaml
    except ImportError:
        raise IntakeError("a Gradescope export needs PyYAML: pip install 'toolkit[classroom]'") from None
    try:
        if path.stat().st_size > LARGEST:
            raise IntakeError(f"{path.name} is too large")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise IntakeError(f"{path.name} can't be read: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise IntakeError(f"{path.name} holds no submissions")
    for folder, entry in document.items():
        if isinstance(entry, dict):
            yield str(folder), _people(entry), _time(_get(entry, "created_at"))


def _get(entry: dict[Any, Any], name: str) -> Any:
    """Gradescope writes Ruby symbols: ``:name`` for ``name``."""
    return entry.get(f":{name}", entry.get(name))


def _people(entry: dict[Any, Any]) -> list[Person]:
    people = []
    for each in _get(entry, "submitters") or []:
        if isinstance(each, dict):
            values = [str(_get(each, key) or "") for key in ("sid", "email", "name")]
            identity = next((value for value in values if value), "")
            if identity:
                people.append(Person(identity, values[2], tuple(value for value in values if value)))
    return people


def _time(value: object) -> float | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return None
