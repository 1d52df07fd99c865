"""W-Softmax (Li & Wang 2020, Eq. 10–13) on learned weights: its logits, and its loss with the gradient by hand.

For a sample of class c every other unit weight w_j becomes w'_j = (αw_c + w_j)/‖αw_c + w_j‖. With z_j = w_j·x and
g_cj = w_c·w_j its training logits are

    z'_c = z_c,      z'_j = (α z_c + z_j)/n_cj,      n_cj² = 1 + α² + 2α g_cj,

so that the biased weights are never built: two products, no (N, C, M) tensor, and none of (C, C) where C > N. (At j = c
the second formula gives z_c too: n_cc = 1 + α.) A gradient D by z' goes back as

    ∂z_nj = D_nj/n_cj, and α Σ_j D_nj/n_cj more to ∂z_nc;      ∂g_cj = −α D_nj z'_nj/n_cj².

Near α = 1 and w_j = −w_c both αz_c + z_j and n_cj cancel: what is left of a rounding error ε is ε/gap². There
float64 is used, in which that is below what rounding the weights to float32 has done already. Small batches are
computed in numpy: the cost of those is in the calls, and numpy's are cheaper.
"""

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from fc_width.checks import (
    check_alpha,
    check_batch,
    check_range,
    check_shapes,
    dispatched,
    full_precision,
    transforming,
)

EPS = 1e-12  # rows shorter than this count as this long, as in torch.nn.functional.normalize
VANISHING = 1e-14  # n_cj² below this is the 0/0 of Eq. 1
CLOSE = 0.05  # n_cj² below this needs float64; above, float32 is right to 1e-5
SMALL = 2**18  # N·C·max(M, C) up to which a batch is small: more, OpenBLAS's threads share, and wait on busy cores


def w_softmax_logits(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float, *, center: bool = False
) -> torch.Tensor:
    """Training logits of W-Softmax, Eq. 10–13, for any further use; differentiable any number of times.

    *Arguments*: `embeddings` (N, M) float; `weight` (C, M) of any row norms > 0, normalised here; `labels`
    (N,) int64 in 0…C−1; `alpha` ≥ 0; `center`, subtract the weights' mean first (False: as printed).

    *Returns*: logits (N, C), in float32 or wider, whose cross-entropy with `labels` is the W-Softmax loss. Where
    αw_c + w_j = 0 (α = 1, antipodal weights), Eq. 1 is 0/0; the logit is 0 there, with no gradient through the norm.

    *Raises*: `ValueError` or `TypeError` quoting what does not fit.
    """
    alpha = check_alpha(alpha)
    check_batch(embeddings, labels, *weight.shape)
    wide = _wide(embeddings, weight)
    near = alpha > 0 and (1 - alpha) * (1 - alpha) < CLOSE
    unseen = not embeddings.is_cpu or torch.compiler.is_compiling() or transforming() or dispatched()
    with full_precision(embeddings.device.type):
        if not (near and unseen):
            logits, square = _logits(embeddings.to(wide), weight.to(wide), labels, alpha, center)
            if not near or wide == torch.float64 or float(square.detach().amin()) >= CLOSE:
                return logits
        return _logits(embeddings.double(), weight.double(), labels, alpha, center)[0].to(wide)


def _logits(
    x: torch.Tensor, w: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The training logits, and n_cj², the least of which says whether they are precise."""
    unit = F.normalize(w - w.mean(0) if center else w, eps=EPS)
    z = x @ unit.T
    if not alpha:
        return z, z
    rows = unit[labels] @ unit.T if len(w) > len(labels) else (unit @ unit.T)[labels]
    square = 1 + alpha * alpha + 2 * alpha * rows
    vanishing = square < VANISHING
    over = torch.where(vanishing, 0.0, torch.where(vanishing, 1.0, square).rsqrt())
    return biased_logits(z, labels, alpha, over), square


def biased_logits(z: torch.Tensor, labels: torch.Tensor, alpha: float, over: torch.Tensor | float) -> torch.Tensor:
    """z'_j (N, C) from z (N, C) and 1/n_cj (0 where that is 1/0), (N, C) or one number."""
    target = z.gather(1, labels[:, None])
    return ((alpha * target + z) * over).scatter(1, labels[:, None], target)


def w_softmax_loss(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float, *, center: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean W-Softmax loss of a batch (Eq. 13), by the fastest way for its size; differentiable any number of times.

    *Arguments*: as `w_softmax_logits`; `center`, subtract the weights' mean first.

    *Returns*: the loss, a scalar; and z_c (N,), the test-time logit of the own class, without a gradient.

    *Raises*: as `w_softmax_logits`.
    """
    alpha = check_alpha(alpha)
    check_shapes(embeddings, labels, weight.shape[1])
    if _fuses(alpha):
        seen: list[torch.Tensor] = []
        loss = _Loss.apply(embeddings, weight, labels, alpha, center, seen)
        return loss, seen[0]
    logits = w_softmax_logits(embeddings, weight, labels, alpha, center=center)
    return F.cross_entropy(logits, labels), logits.detach().gather(1, labels[:, None]).squeeze(1)


def _fuses(alpha: float) -> bool:
    """Whether the gradients are computed with the loss. At α = 0, and without gradients, there is nothing to fuse; a
    compiler fuses the plain formula; a transform needs to see it."""
    return alpha > 0 and torch.is_grad_enabled() and not torch.compiler.is_compiling() and not transforming()


def _wide(x: torch.Tensor, w: torch.Tensor) -> torch.dtype:
    """The widest of the two's types and float32."""
    return torch.promote_types(torch.promote_types(x.dtype, w.dtype), torch.float32)


class _Loss(torch.autograd.Function):
    """The gradients come with the loss, while what they need is at hand; going back only scales them, in place. Whoever
    goes back twice has them computed again, and whoever needs them differentiable (`create_graph`), by autograd.
    Appends z_c to `seen`: as an output it would be sent a gradient."""

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
        ctx.save_for_backward(embeddings, weight, labels)
        ctx.alpha, ctx.center = alpha, center
        loss, target, *ctx.gradients = _loss_and_gradients(embeddings, weight, labels, alpha, center)
        seen.append(target)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (_differentiate if torch.is_grad_enabled() else _scale)(ctx, grad)


def _scale(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    embeddings, weight, labels = ctx.saved_tensors
    by_x, by_w = ctx.gradients or _loss_and_gradients(embeddings, weight, labels, ctx.alpha, ctx.center)[2:]
    ctx.gradients = ()
    many = transforming() or torch._C._functorch.is_legacy_batchedtensor(grad)  # which do not fit into one's place
    scaled = torch.mul if many else torch.Tensor.mul_
    return scaled(by_x, grad).to(embeddings.dtype), scaled(by_w, grad).to(weight.dtype), None, None, None, None


def _differentiate(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    embeddings, weight, labels = ctx.saved_tensors
    inputs = embeddings.view_as(embeddings), weight.view_as(weight)  # not themselves: one may be made of the other
    loss = F.cross_entropy(w_softmax_logits(*inputs, labels, ctx.alpha, center=ctx.center), labels)
    wanted = [each for each in inputs if each.requires_grad]
    found = iter(torch.autograd.grad(loss, wanted, grad, create_graph=True))
    return *(next(found) if each.requires_grad else None for each in inputs), None, None, None, None


def _loss_and_gradients(
    x: torch.Tensor, w: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
) -> tuple[torch.Tensor, ...]:
    """The loss in float32 or wider, z_c, and the gradients by embeddings and by weights, in float64 where needed."""
    wide = _wide(x, w)
    by_class = len(w) <= len(x)
    products = len(x) * len(w) * max(w.shape)
    small = by_class and x.is_cpu and products <= SMALL and not (dispatched() or x.is_neg() or w.is_neg())
    compute = _small if small else _by_class if by_class else _by_sample
    found: tuple[torch.Tensor, ...] = ()
    if not x.is_cuda or (1 - alpha) * (1 - alpha) >= CLOSE:  # there, asking the values would wait for the device
        found = compute(x.to(wide), w.to(wide), labels, alpha, center)
    loss, *rest = found or compute(x.double(), w.double(), labels, alpha, center)
    return loss.to(wide), *rest


def _by_class(
    x: torch.Tensor, w: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
) -> tuple[torch.Tensor, ...]:
    """For C ≤ N: g of all pairs of classes. Nothing where float32 is not enough."""
    check_range(labels, len(w))
    with full_precision(x.device.type):
        if center:
            w = w - w.mean(0)
        inverse = _inverse_lengths(w)[:, None]
        unit = w * inverse
        over = _over(unit @ unit.T, alpha)
        if over is None:
            return ()
        loss, target, by_z, by_g = _cross_entropy(x @ unit.T, over.index_select(0, labels), labels, alpha)
        gram = torch.zeros_like(over).index_add_(0, labels, by_g, alpha=-alpha)
        by_x = by_z @ unit
        by_w = (by_z.T @ x).addmm_(gram + gram.T, unit)
        by_w.addcmul_(unit, torch.linalg.vecdot(by_w, unit)[:, None], value=-1).mul_(inverse)
        if center:
            by_w.sub_(by_w.mean(0))
    return loss, target, by_x, by_w


def _by_sample(
    x: torch.Tensor, w: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
) -> tuple[torch.Tensor, ...]:
    """For C > N: g of each sample's class. Nothing where float32 is not enough. The rows of w are never centred or
    normalised in memory: their mean and inverse lengths correct the products."""
    check_range(labels, len(w))
    with full_precision(x.device.type):
        mean = w.mean(0) if center else w.new_zeros(w.shape[1])
        inverse = _inverse_lengths(w - mean if center else w)
        lengths = inverse.index_select(0, labels)[:, None]
        own = w.index_select(0, labels).sub_(mean).mul_(lengths)
        over = _over((own @ w.T).sub_((own @ mean)[:, None]).mul_(inverse), alpha)
        if over is None:
            return ()
        z = (x @ w.T).sub_((x @ mean)[:, None]).mul_(inverse)
        loss, target, by_z, by_g = _cross_entropy(z, over, labels, alpha)
        del z, over
        by_z.mul_(inverse)
        by_g.mul_(inverse * -alpha)
        by_x = (by_z @ w).addr_(by_z.sum(1), mean, alpha=-1)
        by_w = by_z.T @ x
        del by_z
        by_w.addmm_(by_g.T, own)
        by_w.index_add_(0, labels, (by_g @ w).addr_(by_g.sum(1), mean, alpha=-1).mul_(lengths))
        pairs = zip(by_w.split(256), w.split(256), strict=True)  # the products of all elements would be as large as w
        along = torch.cat([torch.linalg.vecdot(*pair) for pair in pairs]).sub_(by_w @ mean).mul_(inverse).mul_(inverse)
        by_w.addcmul_(w, along[:, None], value=-1)
        if center:
            by_w.addr_(along, mean)
            by_w.sub_(by_w.mean(0))
    return loss, target, by_x, by_w


def _inverse_lengths(rows: torch.Tensor) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths.clamp_min_(EPS).reciprocal_()


def _over(gram: torch.Tensor, alpha: float) -> torch.Tensor | None:
    """1/n_cj from g_cj, whose memory it uses; None where float32 is not enough."""
    square = gram.mul_(2 * alpha).add_(1 + alpha * alpha)
    if square.dtype == torch.float64:
        F.threshold(square, VANISHING, math.inf, inplace=True)
    elif (1 - alpha) * (1 - alpha) < CLOSE and float(square.amin()) < CLOSE:
        return None
    return square.rsqrt_()


def _cross_entropy(
    z: torch.Tensor, over: torch.Tensor, labels: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The loss and z_c, the gradient by z and, sample by sample, −1/α of that by g_cj; from z, whose memory it uses,
    and 1/n_cj, all (N, C)."""
    at = labels[:, None]
    target = z.gather(1, at)
    logits = z.add_(target, alpha=alpha).mul_(over)
    share = torch.log_softmax(logits, 1)
    loss = F.nll_loss(share, labels)
    by_z = share.exp_().scatter_add_(1, at, torch.full_like(target, -1)).mul_(over).div_(len(z))
    by_g = logits.mul_(by_z).mul_(over)
    by_z.scatter_add_(1, at, by_z.sum(1, keepdim=True).mul_(alpha))
    return loss, target.squeeze(1), by_z, by_g


class _Lent:
    """A tensor to be read by numpy. After `numpy()` its storage could not be resized, as sharded training does; torch's
    own `__dlpack__` takes longer."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        return torch.to_dlpack(self.tensor)  # type: ignore[attr-defined]

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the CPU


@np.errstate(all="ignore")  # NaN in, NaN out
def _small(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float, center: bool
) -> tuple[torch.Tensor, ...]:
    """In numpy, whose calls are cheaper; nothing where float32 is not enough. A column for each sample: sums over
    classes are then sums of rows, which are fast for few classes too."""
    x, w, label = (np.from_dlpack(_Lent(tensor)) for tensor in (embeddings, weight, labels))
    samples = len(x)
    if label.view(np.uint64).max() >= len(w):  # as uint64 a negative number is a large one
        check_range(labels, len(w))
    if center:
        w = w - w.sum(0) / len(w)
    inverse = 1 / np.sqrt(np.maximum(np.einsum("cm,cm->c", w, w), EPS**2))[:, None]
    unit = w * inverse
    square = unit @ unit.T
    square *= 2 * alpha
    square += 1 + alpha * alpha
    if w.dtype == np.float64:
        square[square < VANISHING] = math.inf
    elif (1 - alpha) * (1 - alpha) < CLOSE and square.min() < CLOSE:
        return ()
    over = (1 / np.sqrt(square)).take(label, 1)
    own = label * samples + np.arange(samples)  # where in a (C, N) array a sample's own class is

    logits = unit @ x.T
    target = logits.take(own)
    logits += alpha * target
    logits *= over
    highest = logits.max(0)
    share = np.exp(logits - highest)
    total = share.sum(0)
    loss = (np.log(total) + highest - target).sum() / samples

    by_z = share
    by_z /= total * samples
    by_z.reshape(-1)[own] -= 1 / samples
    by_z *= over
    by_g = logits
    by_g *= by_z
    by_g *= over
    by_z.reshape(-1)[own] += alpha * by_z.sum(0)
    is_own = np.zeros(by_g.shape, by_g.dtype)
    is_own.reshape(-1)[own] = -alpha
    gram = is_own @ by_g.T
    by_x = by_z.T @ unit
    by_w = by_z @ x
    by_w += (gram + gram.T) @ unit
    by_w -= np.einsum("cm,cm->c", by_w, unit)[:, None] * unit
    by_w *= inverse
    if center:
        by_w -= by_w.sum(0) / len(w)
    return torch.from_numpy(np.asarray(loss)), torch.from_numpy(target), torch.from_numpy(by_x), torch.from_numpy(by_w)
