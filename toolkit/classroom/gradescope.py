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


METADATA = "submission_metadata.yml"


def load_metadata(path: Path) -> bytes:
    """The file's bytes. Raises IntakeError when it can't be read."""
    from toolkit.classroom.intake import IntakeError

    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise IntakeError(f"{path.name} can't be read: {error.strerror}") from error


def read_metadata(text: bytes) -> Iterator[tuple[str, list[Person], float | None]]:
    """(folder, submitters, time) for each submission. Raises IntakeError for what is no such document."""
    from toolkit.classroom.intake import IntakeError

    try:
        import yaml
    except ImportError:
        raise IntakeError("a Gradescope export needs PyYAML: pip install 'toolkit[classroom]'") from None
    try:
        if len(text) > LARGEST:
            raise IntakeError(f"{METADATA} is too large")
        document = yaml.safe_load(text.decode())
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise IntakeError(f"{METADATA} can't be read: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise IntakeError(f"{METADATA} holds no submissions")
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
