"""Programs nobody meant, assembled by us and by nasm: what it refuses is refused, what it accepts comes out the same.

``python -m tests.asm.verdicts`` tries as many as one likes, and prints the shares.
"""

from __future__ import annotations

import pytest

from tests.asm.verdicts import count


@pytest.mark.differential
@pytest.mark.parametrize("programs", [100, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.long])])
def test_damaged_programs(programs: int) -> None:
    found, different = count(programs, programs)
    assert not different, "\n\n".join(different[:5])
    assert min(found["refused, refused here"], found["accepted, equal here"]) > programs // 20
