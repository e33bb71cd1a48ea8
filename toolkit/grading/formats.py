"""The names of formats, visibilities and levels of disclosure, apart from their code so that ``--help`` need not import it."""

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

VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")  # of a check
DISCLOSURE_LEVELS = ("full", "actual-only", "category", "none")  # of a failure
