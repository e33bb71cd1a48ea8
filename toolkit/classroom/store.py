"""Results in a database, by SQLAlchemy: a SQLite file by default, any other by its URL.

``grading`` holds one row for each key ever graded (see ``GradeJob.key``); ``entry`` says which grading belongs to which student's
attempt at which exercise in which session. A row is committed as soon as it is known, so that a session that is
interrupted, however, loses nothing and grades nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from toolkit.classroom.decoding import result_from_json, stored_json
from toolkit.grading.report import ExerciseResult, Status

metadata = sa.MetaData()

grading = sa.Table(
    "grading",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("exercise", sa.String(200), nullable=False, index=True),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("max_score", sa.Float, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("graded_at", sa.DateTime(timezone=True), nullable=False),
)

session_table = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("session_id", sa.ForeignKey("session.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("student", sa.String(200), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("exercise", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(400), nullable=False, default=""),
    sa.Column("submitted_at", sa.Float),
    sa.Column("key", sa.String(64), index=True),
    sa.Column("problem", sa.Text, nullable=False, default=""),
)


class StoreError(Exception):
    """The database can't be used; the message is for the instructor."""


@dataclass(frozen=True)
class Entry:
    """One student's attempt at one exercise. ``key``: of its grading; None when there was nothing to grade (``problem`` says why)."""

    student: str
    attempt: int
    exercise: str
    name: str = ""
    submitted_at: float | None = None
    key: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Graded:
    """An entry with its result, None while it is missing."""

    entry: Entry
    result: ExerciseResult | None


def database_url(text: str) -> str:
    """A URL, or a file's path taken for SQLite."""
    return text if "://" in text else f"sqlite:///{Path(text).absolute()}"


class Store:
    """The database of a class. Use ``with``, or ``close``. Raises StoreError when it can't be opened."""

    def __init__(self, url: str) -> None:
        try:
            self.engine = sa.create_engine(database_url(url))
            if self.engine.dialect.name == "sqlite":
                sa.event.listen(self.engine, "connect", _configure_sqlite)
            metadata.create_all(self.engine)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise StoreError(f"the database can't be opened: {_first_line(error)}") from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.dispose()

    # -- sessions

    def open_session(self, name: str, settings: Mapping[str, object]) -> int:
        """The session of a name, made if there is none; its settings are what they were the last time it was graded."""
        text = json.dumps(settings, sort_keys=True)
        with self.engine.begin() as connection:
            found = connection.scalar(sa.select(session_table.c.id).where(session_table.c.name == name))
            if found is not None:
                connection.execute(
                    session_table.update().where(session_table.c.id == found).values(settings=text)
                )
                return int(found)
            row = {"name": name, "created_at": datetime.now(UTC), "settings": text}
            made = connection.execute(session_table.insert().values(**row))
            assert made.inserted_primary_key is not None
            return int(made.inserted_primary_key[0])

    def settings(self, session_id: int) -> dict[str, Any]:
        """What ``open_session`` was given."""
        with self.engine.connect() as connection:
            text = connection.scalar(
                sa.select(session_table.c.settings).where(session_table.c.id == session_id)
            )
        return dict(json.loads(text or "{}"))

    def sessions(self) -> list[str]:
        """Names, the newest last."""
        with self.engine.connect() as connection:
            return list(connection.scalars(sa.select(session_table.c.name).order_by(session_table.c.id)))

    def session_id(self, name: str | None) -> int | None:
        """Of a name, or of the newest; None if there is none."""
        query = sa.select(session_table.c.id).order_by(session_table.c.id.desc()).limit(1)
        if name is not None:
            query = query.where(session_table.c.name == name)
        with self.engine.connect() as connection:
            found = connection.scalar(query)
        return None if found is None else int(found)

    def set_entries(self, session_id: int, entries: Iterable[Entry]) -> None:
        """What the session consists of, replacing what was said before."""
        rows = [{"session_id": session_id, **each.__dict__} for each in entries]
        with self.engine.begin() as connection:
            connection.execute(entry.delete().where(entry.c.session_id == session_id))
            for start in range(0, len(rows), 500):
                connection.execute(entry.insert(), rows[start : start + 500])

    # -- gradings

    def known(self, keys: Iterable[str]) -> set[str]:
        """Which of the keys were graded. Broken results do not count: they are tried again."""
        wanted = list(keys)
        found: set[str] = set()
        with self.engine.connect() as connection:
            for start in range(0, len(wanted), 500):
                query = sa.select(grading.c.key).where(
                    grading.c.key.in_(wanted[start : start + 500]), grading.c.status != Status.BROKEN.value
                )
                found |= set(connection.scalars(query))
        return found

    def put(self, key: str, result: ExerciseResult) -> None:
        """Keep a result, at once."""
        row = {
            "key": key,
            "exercise": result.identity,
            "status": result.status.value,
            "score": result.score,
            "max_score": result.max_score,
            "result": json.dumps(stored_json(result)),
            "graded_at": datetime.now(UTC),
        }
        with self.engine.begin() as connection:
            connection.execute(grading.delete().where(grading.c.key == key))
            connection.execute(grading.insert().values(**row))

    def graded(self, session_id: int) -> Iterator[Graded]:
        """The session's entries with their results, by student, exercise and attempt."""
        query = (
            sa.select(entry, grading.c.result)
            .select_from(entry.outerjoin(grading, entry.c.key == grading.c.key))
            .where(entry.c.session_id == session_id)
            .order_by(entry.c.student, entry.c.exercise, entry.c.attempt)
        )
        decoded: dict[str, ExerciseResult] = {}
        with self.engine.connect() as connection:
            for row in connection.execute(query).mappings():
                yield _graded(row, decoded)


def _graded(row: Mapping[Any, Any], decoded: dict[str, ExerciseResult]) -> Graded:
    fields = {name: row[name] for name in Entry.__dataclass_fields__}
    text = row["result"]
    if text is None:
        return Graded(Entry(**fields), None)
    key = fields["key"]
    if key not in decoded:
        decoded[key] = result_from_json(json.loads(text))
    return Graded(Entry(**fields), decoded[key])


def _configure_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
