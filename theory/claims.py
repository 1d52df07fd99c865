"""The claims of the paper, in the paper's order."""

from theory import claims_intro, claims_loss, claims_simplex, claims_tables, claims_width
from theory.claim import Claim


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the paper's order."""
    return (
        *claims_intro.CLAIMS,
        *claims_simplex.CLAIMS,
        *claims_width.CLAIMS,
        *claims_loss.CLAIMS,
        *claims_tables.CLAIMS,
    )
