"""What a refused instruction could have been: the nearest legal forms and the operand at fault."""

from __future__ import annotations

from toolkit.asm.encoder_errors import EncodeError, Mismatch
from toolkit.asm.encoder_operands import Prepared
from toolkit.asm.statement import Instruction


def explain(mismatch: Mismatch, message: str, instruction: Instruction, prepared: Prepared) -> EncodeError:
    """The error for ``instruction``, which no form takes."""
    return EncodeError(mismatch.name.lower().replace("_", "-"), message, None, instruction.mnemonic)
