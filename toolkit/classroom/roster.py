"""Who is in the class: a CSV file with a header.

Known columns, in any order and case: ``id`` (or ``student``, ``sid``, ``username``), ``name``, ``email``, ``section``. Every
other column's value is an alias under which a submission may come (a Canvas number, a GitHub login).
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.classroom.intake import Attempt, IntakeError

ID_COLUMNS = ("id", "student", "sid", "username", "login")


@dataclass(frozen=True)
class Student:
    """One line of the roster. ``aliases`` are compared without case, accents and blanks."""

    identity: str
    name: str = ""
    email: str = ""
    section: str = ""
    aliases: frozenset[str] = frozenset()


def normalise(text: str) -> str:
    """Letters and digits only, lower case, without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain.casefold() if c.isalnum())


def read_roster(path: Path) -> tuple[Student, ...]:
    """The students of a roster file. Raises IntakeError with the line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IntakeError(f"{path.name} can't be read: {error}") from error
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:4096], ",;\t")
    except csv.Error:
        dialect = "excel"
    rows = csv.DictReader(io.StringIO(text), dialect=dialect)
    columns = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    key = next((columns[name] for name in ID_COLUMNS if name in columns), None)
    if key is None:
        raise IntakeError(f"{path.name}: the header names no column {', '.join(ID_COLUMNS)}")
    students: dict[str, Student] = {}
    for number, row in enumerate(rows, 2):
        identity = (row.get(key) or "").strip()
        if not identity:
            continue
        if identity in students:
            raise IntakeError(f"{path.name}:{number}: {identity} stands there twice")
        students[identity] = _student(identity, row, columns)
    return tuple(students.values())


def _student(identity: str, row: dict[str, str], columns: dict[str, str]) -> Student:
    def field(name: str) -> str:
        return (row.get(columns.get(name, "")) or "").strip()

    values = [value for value in row.values() if isinstance(value, str) and value.strip()]
    email = field("email")
    aliases = {normalise(value) for value in (*values, email.split("@")[0])} - {""}
    section = normalise(field("section"))
    return Student(identity, field("name"), email, field("section"), frozenset(aliases - {section}))


def assign(attempts: Iterable[Attempt], roster: Iterable[Student]) -> tuple[list[Attempt], list[str]]:
    """Attempts under the roster's identities, and the names of those that nobody on it has."""
    by_alias: dict[str, Student | None] = {}
    for student in roster:
        for alias in student.aliases:
            by_alias[alias] = student if alias not in by_alias else None  # ambiguous: nobody's
    known, unknown = [], []
    for attempt in attempts:
        keys = [attempt.student, *attempt.aliases, attempt.name]
        found = next((s for key in keys if key and (s := by_alias.get(normalise(key)))), None)
        if found is None:
            unknown.append(attempt.student)
            known.append(attempt)
        else:
            known.append(replace(attempt, student=found.identity, name=found.name or attempt.name))
    return known, unknown
