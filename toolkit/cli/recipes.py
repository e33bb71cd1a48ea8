"""``toolkit recipes``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

RECIPES = {
    "github": ("github-actions.yml", ".github/workflows/grade.yml", "a GitHub Actions workflow"),
    "gitlab": ("gitlab-ci.yml", ".gitlab-ci.yml", "a GitLab job"),
    "gradescope": ("gradescope", "gradescope", "a Gradescope autograder's folder, to be zipped"),
    "container": ("Containerfile", "Containerfile", "an image with toolkit and the course"),
}


@click.command(
    "recipes",
    epilog="\b\nExamples:\n  toolkit recipes\n  toolkit recipes github\n  toolkit recipes gradescope -C autograder\n",
)
@click.argument("name", required=False, type=click.Choice(list(RECIPES)))
@click.option(
    "--directory",
    "-C",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Where to put it.",
)
def recipes_command(name: str | None, directory: Path) -> None:
    """List the recipes for grading elsewhere, or copy one out. Files that are there already are left alone."""
    if name is None:
        for each, (_, target, words) in RECIPES.items():
            click.echo(f"{each:<12}{words}: {target}")
        return
    source, target, _ = RECIPES[name]
    copied = 0
    try:
        for path, place in _files(_folder() / source, directory / target):
            if place.exists():
                click.echo(f"{place} is there already and is left alone", err=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
            copied += 1
            click.echo(str(place))
    except OSError as error:
        raise click.UsageError(f"{directory} can't be written: {error.strerror}") from error
    raise click.exceptions.Exit(0 if copied else 1)


def _folder() -> Path:
    return Path(__file__).resolve().parents[1] / "classroom" / "recipes"


def _files(source: Path, target: Path) -> list[tuple[Path, Path]]:
    if source.is_file():
        return [(source, target)]
    return [(path, target / path.name) for path in sorted(source.iterdir()) if path.is_file()]
