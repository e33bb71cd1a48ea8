"""Labels from pass to pass, and how many passes a program takes."""

from __future__ import annotations

import gc
from random import Random

import pytest

from tests.asm.moving_programs import dense_jumps, falling_waves, interleaved_program, wave
from toolkit.asm import assemble, layout_chunks, layout_run, layout_settle
from toolkit.asm.layout import Layout
from toolkit.asm.layout_symbols import EXTERN, GLOBAL, STATIC, LabelError, Labels
from toolkit.asm.objfile import Section


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        ("nop", 1),
        ("x: jmp x", 1),
        ("jmp x\nx:", 2),
        ("jmp x\ntimes 128 nop\nx:", 3),
    ],
)
def test_no_more_passes_than_needed(source: str, passes: int) -> None:
    assert assemble(source).passes == passes


MOVING = [
    "bits 64\n" + wave(25),
    "bits 64\n" + wave(25) + "section .data\n dd l3\n",
    falling_waves(30, 10),
    *(dense_jumps(Random(seed), 200) for seed in range(8)),
    *(interleaved_program(Random(seed)) for seed in (1, 2, 3, 19, 54, 126, 128)),
]


@pytest.mark.parametrize("form", ["elf64", "bin"])
def test_passes_over_what_can_change_are_as_good_as_whole_ones(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_chunks, "CHUNK", 5)
    short = [assemble(source, format=form) for source in MOVING]
    monkeypatch.setattr(layout_run, "RECORDED", 1 << 30)
    for source, quick in zip(MOVING, short, strict=True):
        whole = assemble(source, format=form)
        assert (quick.object, quick.passes, quick.diagnostics) == (
            whole.object,
            whole.passes,
            whole.diagnostics,
        ), source
    assert sum(quick.passes > 4 for quick in short) >= 5


def test_a_long_wave_costs_little_more_than_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes over all lines: three, and the last."""
    whole: list[int] = []
    run = layout_run.Pass.run
    monkeypatch.setattr(layout_run.Pass, "run", lambda self, lines: (whole.append(1), run(self, lines)))
    result = assemble(wave(400))
    assert (len(whole), result.passes) == (4, 402)


def test_where_nothing_changes_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items visited by the passes over a wave: those around its front, whatever there is besides."""
    visited: list[int] = []
    visit = layout_settle._Settler._visit

    def count(settler: layout_settle._Settler, chunk: layout_chunks.Chunk) -> None:
        visited.append(len(chunk.items))
        visit(settler, chunk)

    monkeypatch.setattr(layout_settle._Settler, "_visit", count)
    assert assemble(falling_waves(300, 100)).passes == 301
    alone = sum(visited)
    visited.clear()
    others = "\n".join(f"w{number}: jz w{number + 9}\n times 3 nop" for number in range(3000))
    others += "".join(f"\nw{number}:" for number in range(3000, 3009))
    assert assemble(falling_waves(300, 100) + others).passes == 301
    assert sum(visited) < alone + 4 * 3000


def test_local_labels_belong_to_the_last_plain_one() -> None:
    labels, text = Labels(), Section(".text")
    labels.begin_pass()
    labels.define("main", text, 0)
    labels.define(".loop", text, 4)
    labels.define("..@other", text, 5)
    labels.define("size", None, 9, scope=False)
    labels.define(".end", text, 8)
    assert sorted(labels.table) == ["..@other", "main", "main.end", "main.loop", "size"]
    assert labels.find(".loop") is labels.find("main.loop")


def test_a_label_may_be_defined_again_at_the_same_place_only() -> None:
    labels, text = Labels(), Section(".text")
    labels.begin_pass()
    labels.define("a", text, 4, where=("f", 1))
    labels.define("a", text, 4)
    with pytest.raises(LabelError, match="inconsistently redefined") as caught:
        labels.define("a", text, 5)
    assert caught.value.other is not None
    assert caught.value.other.line == 1


def test_a_moved_label_counts_as_a_change() -> None:
    labels, text = Labels(), Section(".text")
    labels.begin_pass()
    labels.define("a", text, 4)
    labels.begin_pass()
    labels.define("a", text, 4)
    assert labels.changed == 0
    labels.begin_pass()
    labels.define("a", text, 2)
    assert labels.changed == 1


def test_an_extern_defined_here_becomes_global() -> None:
    labels, text = Labels(), Section(".text")
    labels.begin_pass()
    labels.declare("f", EXTERN, "")
    labels.define("f", text, 0)
    assert (labels.table["f"].kind, len(labels.order), labels.promoted) == (GLOBAL, 1, True)


def test_contradicting_declarations() -> None:
    labels = Labels()
    labels.begin_pass()
    labels.declare("f", GLOBAL, "")
    with pytest.raises(LabelError, match="declared both as global and static"):
        labels.declare("f", STATIC, "")


def test_a_wrong_line_does_not_keep_its_program_alive() -> None:
    """Parsed lines are remembered for other programs; their errors must not hold on to the frames they were raised in."""
    gc.collect()
    before = sum(isinstance(each, Layout) for each in gc.get_objects())
    assert assemble("mov eax,,\nmov eax, ]\n").diagnostics
    gc.collect()
    assert sum(isinstance(each, Layout) for each in gc.get_objects()) == before
