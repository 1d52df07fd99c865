"""The claims of the paper, by subject: softmax and cost, the simplex, the width, the loss, the tables."""

from theory import claims_intro, claims_loss, claims_simplex, claims_tables, claims_width
from theory.claim import Claim


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the subjects."""
    return (
        *claims_intro.CLAIMS,
        *claims_simplex.CLAIMS,
        *claims_width.CLAIMS,
        *claims_loss.CLAIMS,
        *claims_tables.CLAIMS,
    )
