"""A small exercise as data, and submissions of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.classroom.class_cases import GRADER
from toolkit.classroom.packing import PackedExercise
from toolkit.classroom.store import Store
from toolkit.grading.evidence import FileData


@pytest.fixture
def exercise() -> PackedExercise:
    return PackedExercise(
        Path("ch09/prog"), "A program", GRADER, ("prog.asm",), (), (FileData("prog.asm", b"; starter\n"),)
    )


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Writes files into a fresh folder."""

    def write(files: dict[str, bytes]) -> Path:
        root = tmp_path / "submissions"
        for name, data in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return root

    return write


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store on a SQLite file, and on the PostgreSQL server that TOOLKIT_POSTGRESQL_URL names, each emptied first."""
    import os

    if request.param == "sqlite":
        url = str(tmp_path / "grades.sqlite")
    else:
        url = os.environ.get("TOOLKIT_POSTGRESQL_URL", "")
        if not url:
            pytest.skip(
                "no server: set TOOLKIT_POSTGRESQL_URL (tests/classroom/postgresql_server.py starts one)"
            )
        url = emptied(url)
    with Store(url) as opened:
        yield opened


def emptied(url: str) -> str:
    """The URL of an empty schema of this pytest process's own: several run at once under pytest-xdist."""
    import os

    import sqlalchemy as sa

    schema = "tests_" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    return f"{url}?options=-csearch_path%3D{schema}"
