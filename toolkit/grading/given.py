"""``@given``: inputs drawn by Hypothesis; the report shows the smallest one that fails."""

from __future__ import annotations

import copy
import functools
import inspect
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.grading.checks import BrokenCheck, Failure, GraderError, shown

if TYPE_CHECKING:
    from toolkit.grading.program import Program

EXAMPLES = 25  # inputs drawn for a check unless the grader says otherwise
SEEDS_KEPT = (
    2  # whose inputs a check remembers: a student's, who saves again and again, and one to compare with
)
PLAIN = (int, float, complex, str, bytes, bytearray, type(None))
CONTAINERS = (list, tuple, set, frozenset, dict)

CheckFunction = Callable[..., object]
Inputs = tuple[tuple[object, ...], ...]


def given(
    *strategies: Any, examples: int = EXAMPLES, **named: Any
) -> Callable[[CheckFunction], CheckFunction]:
    """Below ``@check``: call the function with ``program`` and drawn arguments, ``examples`` times.

    What is drawn depends on the program's seed alone. Raises GraderError for a function that doesn't take the arguments.
    """

    def decorate(function: CheckFunction) -> CheckFunction:
        names = _names(function, len(strategies), tuple(named))
        passed: OrderedDict[int, Inputs] = OrderedDict()

        @functools.wraps(function)
        def run(program: Program) -> None:
            known = passed.get(program.seed)
            if known is not None and _holds(program, function, names, known):
                return
            drawn = _search(program, function, names, (*strategies, *named.values()), examples)
            if drawn is not None:
                passed[program.seed] = drawn
                if len(passed) > SEEDS_KEPT:
                    passed.popitem(last=False)

        return run

    return decorate


def _names(function: CheckFunction, positional: int, named: tuple[str, ...]) -> tuple[str, ...]:
    parameters = list(inspect.signature(function).parameters)[1:]
    if set(parameters[positional:]) != set(named) or len(parameters) != positional + len(named):
        raise GraderError(
            f"@given draws {positional + len(named)} arguments; {function.__name__} takes {parameters}"
        )
    return (*parameters[:positional], *named)


def _holds(program: Program, function: CheckFunction, names: Sequence[str], known: Inputs) -> bool:
    """Whether the check passes with the inputs that would be drawn: they depend on the seed alone while none fails.

    When one fails the search finds it once more, with the runs kept from here, and then smaller ones.
    """
    try:
        for drawn in known:
            function(program, **dict(zip(names, copy.deepcopy(drawn), strict=True)))
    except Exception:
        return False
    return True


def _is_plain(value: object) -> bool:
    """Whether a drawn value says all there is to it: not so what draws more when it is used, as ``strategies.data()``."""
    if isinstance(value, dict):
        value = (*value, *value.values())
    if type(value) in CONTAINERS:
        return all(map(_is_plain, value))  # type: ignore[call-overload]
    return type(value) in (*PLAIN, bool)


def _search(
    program: Program, function: CheckFunction, names: Sequence[str], strategies: Sequence[Any], examples: int
) -> Inputs | None:
    """Draw inputs and call the check with each: all of them, if they can be used again. Raises what the check does."""
    import hypothesis
    from hypothesis.configuration import set_hypothesis_home_dir
    from hypothesis.strategies import tuples

    _draw_alike_everywhere()
    set_hypothesis_home_dir(tempfile.gettempdir())  # else it makes a folder beside the student's files
    smallest: dict[str, object] = {}
    broken: list[BrokenCheck] = []
    used: list[tuple[object, ...]] = []
    again = True

    def one(drawn: tuple[object, ...]) -> None:
        nonlocal again
        arguments = dict(zip(names, drawn, strict=True))
        if broken:
            return
        again = again and _is_plain(drawn)
        if again:
            used.append(copy.deepcopy(drawn))
        try:
            function(program, **arguments)
        except BrokenCheck as error:  # not the submission's, so there is nothing to make smaller
            broken.append(error)
        except Exception:
            again = False
            smallest.clear()
            smallest.update(arguments)
            raise

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    test = hypothesis.seed(program.seed)(settings(hypothesis.given(tuples(*strategies))(one)))
    try:
        test()
    except Failure as failure:
        raise _with_input(failure, smallest) from None
    except AssertionError as error:
        raise _with_input(Failure(str(error) or "the check's condition does not hold"), smallest) from None
    if broken:
        raise broken[0]
    return tuple(used) if again else None


def _draw_alike_everywhere() -> None:
    """Hypothesis also draws constants found in the sources of modules loaded so far, which other workers' are not.

    It has no setting for that (6.131 and later): without any constants the seed alone decides.
    """
    from hypothesis.internal.conjecture import providers

    if hasattr(providers, "_get_local_constants"):
        from hypothesis.internal.constants_ast import Constants

        none = Constants()
        providers._get_local_constants = lambda: none


def _with_input(failure: Failure, arguments: dict[str, object]) -> Failure:
    text = ", ".join(f"{name} = {shown(value)}" for name, value in arguments.items())
    return Failure(
        failure.message,
        expected=failure.expected,
        actual=failure.actual,
        help=failure.help,
        location=failure.location,
        explanation=(f"smallest input found: {text}", *failure.explanation),
        category=failure.category,
    )
