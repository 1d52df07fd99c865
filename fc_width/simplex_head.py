"""The fixed classifier W_C of Eq. 3: no parameters, no stored matrix, O(C) per sample.

Column j of W_C has the entry t_{j−1} in row j − 1, −t_i/i in every row i ≥ j, and zeros above, with
t_i = √(iC / ((i+1)(C−1))) and the first row's sign turned. So with y_i = t_i x_i (y_1 turned),

    logit_j = y_{j−1} − Σ_{i ≥ j} y_i / i,      j = 1…C, y_0 = 0,

which is one suffix sum.
"""

import torch
from torch import nn


class SimplexHead(nn.Module):
    """Logits x ↦ W_Cᵀ x of the C unit vectors of a regular simplex in R^(C−1).

    *Arguments*: `num_classes`, C ≥ 2.

    *Raises*: `ValueError` for C < 2.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"C must be at least 2, got C={num_classes}")
        self.num_classes = num_classes
        index = torch.arange(1, num_classes, dtype=torch.float64)
        scale = (index * num_classes / ((index + 1) * (num_classes - 1))).sqrt()
        scale[0] = -scale[0]
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("below", scale / index, persistent=False)
        self.scale: torch.Tensor
        self.below: torch.Tensor

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of embeddings (N, C − 1); `ValueError` for another width."""
        if embeddings.ndim != 2 or embeddings.shape[1] != self.num_classes - 1:
            raise ValueError(f"embeddings must have shape (N, {self.num_classes - 1}), got {tuple(embeddings.shape)}")
        scale, below = self.scale.to(embeddings.dtype), self.below.to(embeddings.dtype)
        suffix = (embeddings * below).flip(1).cumsum(1).flip(1)
        pad = nn.functional.pad
        return pad(embeddings * scale, (1, 0)) - pad(suffix, (0, 1))

    def dense_weight(self) -> torch.Tensor:
        """W_Cᵀ as a (C, C − 1) float64 matrix, row j the unit vector of class j."""
        eye = torch.eye(self.num_classes - 1, dtype=torch.float64, device=self.scale.device)
        weight: torch.Tensor = self(eye)
        return weight.T.contiguous()
