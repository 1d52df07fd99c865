"""The claims of the paper, by subject: softmax and cost, other losses with a margin, the simplex, the width, the loss,
what training says of test, features, the printed tables."""

from theory import (
    claims_faces,
    claims_features,
    claims_intro,
    claims_loss,
    claims_margins,
    claims_simplex,
    claims_subsets,
    claims_tables,
    claims_training,
    claims_width,
)
from theory.claim import Claim

PRINTED = (*claims_tables.CLAIMS, *claims_faces.CLAIMS, *claims_subsets.CLAIMS)
"""Those on the printed tables."""


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the subjects."""
    return (
        *claims_intro.CLAIMS,
        *claims_margins.CLAIMS,
        *claims_simplex.CLAIMS,
        *claims_width.CLAIMS,
        *claims_loss.CLAIMS,
        *claims_training.CLAIMS,
        *claims_features.CLAIMS,
        *PRINTED,
    )
