"""Expressions of %if, %assign and kin, evaluated by ``toolkit.asm.expr``."""

from __future__ import annotations

from toolkit.asm import expr, scan
from toolkit.asm.expr_compile import compile_expression
from toolkit.asm.preprocess.state import Evaluate, EvaluationError


def evaluator(environment: expr.Environment) -> Evaluate:
    """An ``Evaluate`` that asks ``environment`` for labels and the location counter."""

    def evaluate(text: str) -> tuple[expr.Result, str]:
        try:
            tokens = scan.scan(text)
            program, position, _ = compile_expression(tokens, 0, [])
            value = expr.evaluate(program, environment)
        except (expr.StatementError, scan.ScanError) as error:
            raise EvaluationError(str(error)) from error
        rest = tokens[position]
        return value, "" if rest.kind is scan.END else text[rest.start :]

    return evaluate


class _NoSymbols:
    """The environment of ``nasm -E``: there are no labels and no location counter."""

    def lookup(self, name: str, start: int, end: int) -> expr.Result:
        raise expr.StatementError("symbol references not supported in preprocess-only mode", start, end)

    def here(self) -> expr.Result:
        raise expr.StatementError("symbol references not supported in preprocess-only mode")

    base = here

    def special(self, name: str, start: int, end: int) -> None:
        raise expr.StatementError(f"symbol `{name}' not defined", start, end)


preprocess_only: Evaluate = evaluator(_NoSymbols())
