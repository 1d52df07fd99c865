"""W-Softmax (Li & Wang 2020, Eq. 10–13) on learned weights: its logits, and its loss with the gradient by hand.

For a sample of class c every other unit weight w_j becomes w'_j = (αw_c + w_j)/‖αw_c + w_j‖. With z_j = w_j·x and
g_cj = w_c·w_j its training logits are

    z'_c = z_c,      z'_j = (α z_c + z_j)/n_cj,      n_cj² = 1 + α² + 2α g_cj,

so that the biased weights are never built: two products, no (N, C, M) tensor, and none of (C, C) where C > N. (At j = c
the second formula gives z_c too: n_cc = 1 + α.) A gradient D by z' goes back as

    ∂z_nj = D_nj/n_cj, and α Σ_j D_nj/n_cj more to ∂z_nc;      ∂g_cj = −α D_nj z'_nj/n_cj².

Near α = 1 and w_j = −w_c both αz_c + z_j and n_cj cancel: what is left of a rounding error ε is ε/gap². There
float64 is used, in which that is below what rounding the weights to float32 has done already; and for small batches,
in numpy: the cost of those is in the calls, and numpy's are cheaper.
"""

import contextlib
import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

EPS = 1e-12  # rows shorter than this count as this long, as in torch.nn.functional.normalize
VANISHING = 1e-14  # n_cj² below this is the 0/0 of Eq. 1
CLOSE = 0.05  # n_cj² below this needs float64; above, float32 is right to 1e-5
SMALL = 2**18  # N·M·C up to which a batch is small


class NonFiniteError(ValueError):
    """Embeddings that are NaN or infinite."""


def w_softmax_logits(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float
) -> torch.Tensor:
    """Training logits of W-Softmax, Eq. 10–13, for any further use; differentiable any number of times.

    *Arguments*: `embeddings` (N, M) float; `weight` (C, M) of any row norms > 0, normalised here; `labels`
    (N,) int64 in 0…C−1; `alpha` ≥ 0.

    *Returns*: logits (N, C), in float32 or wider, whose cross-entropy with `labels` is the W-Softmax loss. Where
    αw_c + w_j = 0 (α = 1, antipodal weights), Eq. 1 is 0/0; the logit is 0 there, with no gradient through the norm.

    *Raises*: `ValueError` or `TypeError` quoting what does not fit.
    """
    check_alpha(alpha)
    check_batch(embeddings, labels, *weight.shape)
    wide = torch.promote_types(embeddings.dtype, torch.float32)
    with torch.autocast(embeddings.device.type, enabled=False):
        precise = torch.float64 if alpha and (1 - alpha) * (1 - alpha) < CLOSE else wide
        unit = F.normalize(weight.to(precise), eps=EPS)
        z = embeddings.to(precise) @ unit.T
        if not alpha:
            return z
        rows = unit[labels] @ unit.T if len(weight) > len(labels) else (unit @ unit.T)[labels]
        return biased_logits(z, labels, alpha, 1 + alpha * alpha + 2 * alpha * rows).to(wide)


def biased_logits(z: torch.Tensor, labels: torch.Tensor, alpha: float, square: torch.Tensor) -> torch.Tensor:
    """z'_j (N, C) from z (N, C) and n_cj², (N, C) or a scalar."""
    vanishing = square < VANISHING
    inverse = torch.where(vanishing, 0.0, torch.where(vanishing, 1.0, square).rsqrt()).to(z.dtype)
    target = z.gather(1, labels[:, None])
    return ((alpha * target + z) * inverse).scatter(1, labels[:, None], target)


def w_softmax_loss(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float, *, center: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean W-Softmax loss of a batch (Eq. 13), by the fastest way for its size; differentiable once.

    *Arguments*: as `w_softmax_logits`; `center`, subtract the weights' mean first.

    *Returns*: the loss, a scalar; and z_c (N,), the test-time logit of the own class, without a gradient.

    *Raises*: as `w_softmax_logits`.
    """
    check_alpha(alpha)
    check_shapes(embeddings, labels, weight.shape[1])
    if alpha and embeddings.device.type == "cpu" and embeddings.numel() * len(weight) <= SMALL and not _compiling():
        seen: list[torch.Tensor] = []
        loss = _SmallLoss.apply(embeddings, weight, labels, alpha, center, seen)
        return loss, seen[0]
    check_range(labels, len(weight))
    if not alpha or _compiling():  # at α = 0 there is nothing to fuse; a compiler fuses the plain formula
        logits = w_softmax_logits(embeddings, weight - weight.mean(0) if center else weight, labels, alpha)
    else:
        logits = _FusedLogits.apply(embeddings, weight, labels, alpha, center)
    return F.cross_entropy(logits, labels), logits.detach().gather(1, labels[:, None]).squeeze(1)


_compiling = torch.compiler.is_compiling


class _FusedLogits(torch.autograd.Function):
    """The rows are never normalised in memory: their inverse lengths scale the columns of the products. The rows w_c
    that g needs, all of them or, where C > N, the samples' own, ride as further samples in the products."""

    @staticmethod
    def forward(
        ctx: Any, embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
    ) -> torch.Tensor:
        wide = torch.promote_types(embeddings.dtype, torch.float32)
        close = (1 - alpha) * (1 - alpha) < CLOSE
        precise = torch.float64 if close and embeddings.is_cuda else wide  # asking the values would wait for the device
        with full_precision(embeddings.device.type):
            logits, square, *saved = _forward(embeddings, weight.to(precise), labels, alpha, center)
            if close and precise != torch.float64 and float(square.amin()) < CLOSE:
                logits, _, *saved = _forward(embeddings, weight.double(), labels, alpha, center)
        ctx.save_for_backward(labels, logits, *saved)
        ctx.alpha, ctx.center, ctx.dtypes = alpha, center, (embeddings.dtype, weight.dtype)
        return logits.to(wide)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        with full_precision(grad.device.type):
            by_x, by_w = _backward(grad, ctx.alpha, *ctx.saved_tensors)
            if ctx.center:
                by_w.sub_(by_w.mean(0))
        return by_x.to(ctx.dtypes[0]), by_w.to(ctx.dtypes[1]), None, None, None


def _forward(
    x: torch.Tensor, w: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
) -> tuple[torch.Tensor, ...]:
    """Logits, n², then what `_backward` needs."""
    if center:
        w = w - w.mean(0)
    inverse = torch.linalg.vector_norm(w, dim=1).clamp_min_(EPS).reciprocal_()
    by_class = len(w) <= len(x)
    both = torch.cat([x, w * inverse[:, None] if by_class else w[labels] * inverse[labels, None]])
    z, square = (both @ w.T).mul_(inverse).split([len(x), len(both) - len(x)])
    square.mul_(2 * alpha).add_(1 + alpha * alpha)
    over = square.rsqrt() if w.dtype == torch.float32 else F.threshold(square, VANISHING, math.inf).rsqrt_()
    if by_class:
        over = over[labels]
    logits = torch.add(z, z.gather(1, labels[:, None]), alpha=alpha).mul_(over)
    return logits, square, both, w, inverse, over


def _backward(
    grad: torch.Tensor,
    alpha: float,
    labels: torch.Tensor,
    logits: torch.Tensor,
    both: torch.Tensor,
    w: torch.Tensor,
    inverse: torch.Tensor,
    over: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients by embeddings and by (centred) weights."""
    samples, by_class = len(grad), len(w) <= len(grad)
    by_product = both.new_zeros(len(both), len(w))
    by_z, by_g = by_product.split([samples, len(both) - samples])
    torch.mul(grad, over, out=by_z)
    if by_class:
        gram = by_g.new_zeros(by_g.shape).index_add_(0, labels, (by_z * logits).mul_(over), alpha=-alpha)
        torch.add(gram, gram.T, out=by_g)
    else:
        torch.mul(by_z, logits, out=by_g).mul_(over).mul_(-alpha)
    by_z.scatter_add_(1, labels[:, None], by_z.sum(1, keepdim=True).mul_(alpha))
    by_product.mul_(inverse)
    by_w = by_product.T @ both
    if by_class:
        by_x = by_z @ w
    else:
        by_x, by_rows = (by_product @ w).split(samples)
        by_w.index_add_(0, labels, by_rows * inverse[labels, None])
    along = torch.linalg.vecdot(by_w, w).mul_(inverse).mul_(inverse)  # a change of a row's length changes nothing
    return by_x, by_w.addcmul_(w, along[:, None], value=-1)


class _SmallLoss(torch.autograd.Function):
    """The loss of a small batch on the CPU: the same formulas and the cross-entropy, in numpy and float64. Appends z_c
    to `seen`: as an output it would be sent a gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: torch.Tensor,
        weight: torch.Tensor,
        labels: torch.Tensor,
        alpha: float,
        center: bool,
        seen: list[torch.Tensor],
    ) -> torch.Tensor:
        x, w, label = embeddings.double().numpy(), weight.double().numpy(), labels.numpy()
        if label.view(np.uint64).max() >= len(w):
            check_range(labels, len(w))
        samples = np.arange(len(x))
        with np.errstate(all="ignore"):  # NaN in, NaN out
            if center:
                w = w - w.mean(0)
            inverse = 1 / np.sqrt(np.maximum(np.einsum("cm,cm->c", w, w), EPS**2))
            unit = w * inverse[:, None]
            square = unit @ unit.T
            square *= 2 * alpha
            square += 1 + alpha * alpha
            square[square < VANISHING] = math.inf
            over = (1 / np.sqrt(square))[label]
            z = x @ unit.T
            target = z[samples, label]
            logits = (z + alpha * target[:, None]) * over
            highest = logits.max(1, keepdims=True)
            share = np.exp(logits - highest)
            total = share.sum(1, keepdims=True)
            loss = (np.log(total) + highest).sum() - target.sum()
            share /= total
            loss /= len(x)
        share[samples, label] -= 1
        ctx.save_for_backward(embeddings, labels)  # autograd's own guard against changes in between
        ctx.arrays = unit, inverse, share, logits, over
        ctx.alpha, ctx.center, ctx.dtypes = alpha, center, (embeddings.dtype, weight.dtype)
        wide = torch.promote_types(embeddings.dtype, torch.float32)
        seen.append(torch.from_numpy(target))
        return torch.tensor(loss, dtype=wide)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        embeddings, labels = ctx.saved_tensors
        unit, inverse, share, logits, over = ctx.arrays
        x, label, samples = embeddings.double().numpy(), labels.numpy(), np.arange(len(labels))
        by_z = over * share
        by_z *= grad.item() / len(x)
        by_g = by_z * logits
        by_g *= over
        own = np.zeros((len(unit), len(x)))
        own[label, samples] = -ctx.alpha
        gram = own @ by_g
        by_z[samples, label] += ctx.alpha * by_z.sum(1)
        by_w = by_z.T @ x
        by_w += (gram + gram.T) @ unit
        by_w -= np.einsum("cm,cm->c", by_w, unit)[:, None] * unit
        by_w *= inverse[:, None]
        if ctx.center:
            by_w -= by_w.mean(0)
        by_x = torch.from_numpy(by_z @ unit).to(ctx.dtypes[0])
        return by_x, torch.from_numpy(by_w).to(ctx.dtypes[1]), None, None, None, None


def full_precision(device: str) -> contextlib.AbstractContextManager[Any]:
    """No autocast: lengths and angles near antipodes need all their digits."""
    on = torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else contextlib.nullcontext()


def check_alpha(alpha: float) -> None:
    """`ValueError` unless α is finite and at least 0."""
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be finite and at least 0, got alpha={alpha}")


def check_batch(embeddings: torch.Tensor, labels: torch.Tensor, num_classes: int, width: int) -> None:
    """`ValueError` or `TypeError` unless embeddings are (N, `width`) and labels (N,) int64 in 0…C−1."""
    check_shapes(embeddings, labels, width)
    check_range(labels, num_classes)


def check_shapes(embeddings: torch.Tensor, labels: torch.Tensor, width: int) -> None:
    """`ValueError` or `TypeError` unless embeddings are (N, `width`) of floats and labels (N,) of int64."""
    if embeddings.ndim != 2 or embeddings.shape[1] != width:
        raise ValueError(f"embeddings must have shape (N, {width}), got {tuple(embeddings.shape)}")
    if len(embeddings) == 0:
        raise ValueError(f"a batch must have at least one sample, got embeddings of shape {tuple(embeddings.shape)}")
    if not embeddings.is_floating_point():
        raise TypeError(f"embeddings must be floating point, got {embeddings.dtype}")
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {labels.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have shape ({len(embeddings)},), got {tuple(labels.shape)}")


def check_range(labels: torch.Tensor, num_classes: int) -> None:
    """`ValueError` unless labels are in 0…C−1; on CUDA a device-side assertion, as a check would wait for it."""
    if labels.is_cuda or torch.compiler.is_compiling():
        torch._assert_async(((labels >= 0) & (labels < num_classes)).all())
    else:
        low, high = (int(end) for end in torch.aminmax(labels))
        if low < 0 or high >= num_classes:
            raise ValueError(f"labels must be in 0…{num_classes - 1}, got {low if low < 0 else high}")
