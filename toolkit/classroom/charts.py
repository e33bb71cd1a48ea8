"""Small charts as inline SVG: no script, no network, readable without colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as escape_markup

from toolkit.classroom.showing import visible

WIDTH = 640


def distribution(shares: Sequence[float], bins: int = 10) -> str:
    """A histogram of shares of the points (0 to 1), with the number of students on each bar."""
    counts = [0] * bins
    for share in shares:
        counts[min(bins - 1, int(share * bins))] += 1
    highest, step, height = max(counts, default=0) or 1, WIDTH / bins, 160
    parts = [_open(WIDTH, height + 44, "How many students reached which share of the points")]
    for index, count in enumerate(counts):
        size = height * count / highest
        x = index * step
        parts.append(
            f'<rect class="bar" x="{x + 4:.1f}" y="{height + 16 - size:.1f}" width="{step - 8:.1f}" height="{size:.1f}"/>'
        )
        if count:
            parts.append(
                f'<text x="{x + step / 2:.1f}" y="{height + 11 - size:.1f}" text-anchor="middle">{count}</text>'
            )
        label = f"{100 * index // bins}-{100 * (index + 1) // bins}"
        parts.append(
            f'<text class="axis" x="{x + step / 2:.1f}" y="{height + 34}" text-anchor="middle">{label}</text>'
        )
    return "".join([*parts, "</svg>"])


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Horizontal bars: (name, share from 0 to 1, text behind the bar)."""
    height = 24 * len(rows) + 8
    parts = [_open(WIDTH, height, label)]
    for index, (name, share, text) in enumerate(rows):
        y = 24 * index + 4
        parts.append(f'<text x="0" y="{y + 14}">{escape(_shorten(name, 52))}</text>')
        parts.append(f'<rect class="bar" x="360" y="{y + 2}" width="{200 * share:.1f}" height="15"/>')
        parts.append(f'<text class="axis" x="{366 + 200 * share:.1f}" y="{y + 14}">{escape(text)}</text>')
    return "".join([*parts, "</svg>"])


def escape(text: str) -> str:
    """Text for markup, control characters written out."""
    return escape_markup(visible(text))


def _open(width: int, height: int, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(label)}">'


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


@dataclass(frozen=True)
class Area:
    """A line of a memory map as a failed check shows it."""

    start: int
    end: int
    permissions: str
    name: str


_MAP_LINE = re.compile(r"^\s*([0-9a-f]{8,16})-([0-9a-f]{8,16}) ([r-][w-][x-][ps])\s*(?:[0-9a-f]{8}\s*)?(.*)$")


def read_map(text: str) -> list[Area]:
    """The areas in a message, empty when it shows no map."""
    found = [_MAP_LINE.match(line) for line in text.splitlines()]
    return [Area(int(m[1], 16), int(m[2], 16), m[3], m[4].strip()) for m in found if m]


def memory_map(areas: Sequence[Area]) -> str:
    """The address space from below to above, gaps broken, areas coloured by their rights."""
    rows = [(area, 18 + min(22, 4 * (max(1, (area.end - area.start) >> 12)).bit_length())) for area in areas]
    height = sum(size for _, size in rows) + 10 * len(rows) + 8
    parts, y, above = [_open(WIDTH, height, "Memory map at the failure")], 4, None
    for area, size in reversed(rows):
        if above is not None and above.start != area.end:
            parts.append(f'<text class="axis" x="60" y="{y + 8}">⋮</text>')
            y += 10
        rights = "".join(c for c in area.permissions[:3] if c != "-") or "none"
        parts.append(f'<rect class="area {rights}" x="150" y="{y}" width="220" height="{size}"/>')
        parts.append(f'<text class="axis" x="142" y="{y + 12}" text-anchor="end">{area.start:x}</text>')
        parts.append(
            f'<text x="380" y="{y + 13}">{area.permissions} {escape(_shorten(area.name, 34))}</text>'
        )
        y, above = y + size, area
    return "".join([*parts, "</svg>"])
