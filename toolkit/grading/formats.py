"""The names of the result formats, apart from their code so that ``--help`` need not import it."""

from __future__ import annotations

FORMATS = (
    "pretty",
    "json",
    "junit",
    "gradescope",
    "classroom50",
    "github",
    "tap",
    "markdown",
    "csv",
    "prairielearn",
    "exercism",
    "check50",
)
