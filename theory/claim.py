"""A claim of the paper, and how it is judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from theory import proof
from theory.proof import Checked, Step


@dataclass(frozen=True)
class Claim:
    """One claim.

    *Attributes*: `id`; `source`, the place in the paper; `statement`, in one line; `expected`, the verdict; `steps`,
    a function from constants to steps, with the paper's constants as defaults and `max_classes`, the largest C of
    finite checks; `mutants`, changed constants (a number, a sign, a bound, a range) under which the verdict must be
    another; `note`, what a reader should take away: the condition, the missing step, the correction."""

    id: str
    source: str
    statement: str
    expected: str
    steps: Callable[..., Sequence[Step]]
    mutants: Sequence[dict[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Judgement:
    """A claim, its checked steps, and the verdict that they give."""

    claim: Claim
    found: str
    steps: list[Checked]

    @property
    def as_expected(self) -> bool:
        """Whether the verdict found is the one expected."""
        return self.found == self.claim.expected


def judge(claim: Claim, max_classes: int = 256, **constants: Any) -> Judgement:
    """Check a claim's steps and compute its verdict from them.

    *Arguments*: `claim`; `max_classes`, the largest C of finite checks; `constants`, to be put in place of the
    paper's."""
    steps = proof.check(claim.steps(max_classes=max_classes, **constants))
    return Judgement(claim, proof.verdict(steps), steps)
