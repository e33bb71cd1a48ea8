"""The address space as a picture (SVG): high addresses above, areas coloured by what may be done with them.

Areas are drawn to scale up to a height; a longer one is cut by a jagged line, and so is every gap. The strip at an area's
right edge shows its pages: resident, changed, swapped. A bracket on the right says what the area is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from toolkit.abi.memory import PAGE_SIZE
from toolkit.kernel.mm.snapshot import AreaRow, MapSnapshot, PageRun
from toolkit.views.memory_words import gap_words, roles, size_text

PAGE_HEIGHT = 8
SMALLEST, LARGEST = 26, 150
GAP_HEIGHT = 40
LEFT, WIDTH, STRIP, TOP = 150, 270, 64, 56
TOTAL_WIDTH = 800
SHORT_GAP_PAGES = 4

_FILL = {
    "r--": "#cfe2f3",
    "r-x": "#b6d7a8",
    "rw-": "#ffe599",
    "rwx": "#ea9999",
    "---": "#e6e6e6",
    "--x": "#d9ead3",
}
_OTHER_FILL = "#d9d2e9"
_PAGE_FILL = {"clean": "#6fa8dc", "dirty": "#cc4125", "swapped": "#8e7cc3"}


@dataclass
class _Drawing:
    """Elements in order and the height used so far."""

    y: float = TOP
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}>{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "#444") -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="{stroke}"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], stroke: str = "#444", dash: str = "") -> None:
        joined = " ".join(f"{x:g},{y:g}" for x, y in points)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{joined}" fill="none" stroke="{stroke}"{style}/>')


def svg(snapshot: MapSnapshot, title: str = "Address space") -> str:
    """The whole picture as an SVG document."""
    drawing = _Drawing()
    drawing.text(LEFT, 28, title, ' font-size="17" font-weight="bold"')
    drawing.text(LEFT, 45, "high addresses", ' fill="#777"')
    names = roles(snapshot)
    above: int | None = None
    for row in reversed(snapshot.areas):
        if above is not None and row.end < above:
            _gap(drawing, gap_words(row.end, above), above - row.end)
        if above is None or row.end < above:
            _address(drawing, row.end)
        _area(drawing, row, names[row.start])
        above = row.start
    if above:
        _gap(drawing, gap_words(0, above), above)
        _address(drawing, 0)
    drawing.text(LEFT, drawing.y + 18, "low addresses", ' fill="#777"')
    _legend(drawing)
    height = drawing.y + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{TOTAL_WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {TOTAL_WIDTH} {height:g}" font-family="DejaVu Sans, Helvetica, sans-serif" font-size="12">\n'
        f'<title>{escape(title)}</title>\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(drawing.parts)
        + "\n</svg>\n"
    )


def _height(row: AreaRow) -> float:
    return min(max(row.size // PAGE_SIZE * PAGE_HEIGHT, SMALLEST), LARGEST)


def _area(drawing: _Drawing, row: AreaRow, label: str) -> None:
    top, height = drawing.y, _height(row)
    drawing.box(LEFT, top, WIDTH, height, _FILL.get(row.permissions[:3], _OTHER_FILL))
    if row.size // PAGE_SIZE * PAGE_HEIGHT > LARGEST:
        _jag(drawing, top + height * 0.75)
    _strip(drawing, row, top, height)
    middle = top + height / 2 + 4
    if height > 40:
        middle = top + 24
    drawing.text(
        LEFT + 10, middle, row.permissions, ' font-family="DejaVu Sans Mono, monospace" font-weight="bold"'
    )
    drawing.text(LEFT + 56, middle, _short(row.name))
    drawing.text(LEFT + WIDTH - STRIP - 8, middle, size_text(row.size), ' fill="#555"', "end")
    _bracket(drawing, top, height, label, row)
    drawing.y = top + height
    _address(drawing, row.start)


def _short(name: str) -> str:
    """A path's last component; long names cut in the middle."""
    name = name.rsplit("/", 1)[-1] if name.startswith("/") and not name.startswith("/dev/zero") else name
    return name if len(name) <= 14 else name[:7] + "…" + name[-6:]


def _strip(drawing: _Drawing, row: AreaRow, top: float, height: float) -> None:
    """The area's pages, its lowest at the bottom."""
    left = LEFT + WIDTH - STRIP
    drawing.box(left, top, STRIP, height, "#ffffff")
    scale = height / row.size
    for run in row.runs:
        bottom = top + height - (run.address - row.start) * scale
        tall = max(run.pages * PAGE_SIZE * scale, 2)
        drawing.box(left, max(bottom - tall, top), STRIP, tall, _PAGE_FILL[_state(run)], "none")
    pages = row.size // PAGE_SIZE
    if height / pages >= 6:
        for page in range(1, pages):
            y = top + height * page / pages
            drawing.line([(left, y), (left + STRIP, y)], "#999")
    drawing.line([(left, top), (left, top + height)])


def _state(run: PageRun) -> str:
    return "swapped" if not run.resident else "dirty" if run.dirty else "clean"


def _bracket(drawing: _Drawing, top: float, height: float, label: str, row: AreaRow) -> None:
    x = LEFT + WIDTH + 8
    drawing.line([(x, top + 2), (x + 6, top + 2), (x + 6, top + height - 2), (x, top + height - 2)], "#777")
    details = [f"{size_text(row.resident)} resident"] if row.resident else []
    details += [f"{size_text(row.dirty)} changed"] if row.dirty else []
    details += [f"{size_text(row.swapped)} swapped"] if row.swapped else []
    middle = top + height / 2 + 4
    drawing.text(x + 14, middle, label, ' font-weight="bold"')
    drawing.text(x + 136, middle, ", ".join(details), ' fill="#555"')


def _gap(drawing: _Drawing, words: str, size: int) -> None:
    """Addresses that nothing lies at."""
    top, bottom = drawing.y, drawing.y + GAP_HEIGHT
    left, right = LEFT, LEFT + WIDTH
    drawing.line([(left, top), (left, bottom)], "#999", "3 3")
    drawing.line([(right, top), (right, bottom)], "#999", "3 3")
    if size > SHORT_GAP_PAGES * PAGE_SIZE:
        _jag(drawing, top + 9)
    drawing.text(left + WIDTH / 2, bottom - 8, words, ' fill="#777"', "middle")
    drawing.y = bottom


def _jag(drawing: _Drawing, y: float) -> None:
    """Two parallel jagged lines with white between: here the picture is cut."""
    upper = [(LEFT - 6 + index * 12, y + (-3 if index % 2 else 3)) for index in range((WIDTH + 12) // 12 + 1)]
    lower = [(x, at + 6) for x, at in upper]
    band = " ".join(f"{x:g},{at:g}" for x, at in [*upper, *reversed(lower)])
    drawing.parts.append(f'<polygon points="{band}" fill="white"/>')
    drawing.line(upper, "#999")
    drawing.line(lower, "#999")


def _address(drawing: _Drawing, address: int) -> None:
    style = ' font-family="DejaVu Sans Mono, monospace" font-size="11" fill="#333"'
    drawing.text(LEFT - 10, drawing.y + 4, f"{address:012x}", style, "end")
    drawing.line([(LEFT - 6, drawing.y), (LEFT, drawing.y)])


def _legend_items() -> Iterator[tuple[str, str]]:
    yield _FILL["r-x"], "code: read, execute"
    yield _FILL["r--"], "read only"
    yield _FILL["rw-"], "read, write"
    yield _FILL["rwx"], "read, write, execute"
    yield _FILL["---"], "no access"
    yield _PAGE_FILL["clean"], "page in memory"
    yield _PAGE_FILL["dirty"], "page changed"
    yield _PAGE_FILL["swapped"], "page on swap"


def _legend(drawing: _Drawing) -> None:
    drawing.y += 40
    for index, (colour, words) in enumerate(_legend_items()):
        x, y = 40 + index % 4 * 185, drawing.y + index // 4 * 22
        drawing.box(x, y, 14, 14, colour)
        drawing.text(x + 20, y + 11, words)
    drawing.y += 44
