"""Training images mirrored and moved at random, on the device that they lie on, as the fields `flip` and `shift` of a
recipe say: torchvision's RandomHorizontalFlip, then its RandomCrop with padding."""

import torch
from torch import nn


def draw(count: int, flip: float, shift: int, seed: int) -> torch.Tensor:
    """What is done to each of `count` images: (count, 3) int64 of 1 where it is mirrored left to right, with
    probability `flip`, and of pixels that it is moved down and to the right, each even in −shift…shift."""
    generator = torch.Generator().manual_seed(seed)
    mirrored = torch.rand(count, 1, generator=generator) < flip
    moves = torch.randint(-shift, shift + 1, (count, 2), generator=generator)
    return torch.cat([mirrored.long(), moves], 1)


def augmented(images: torch.Tensor, chosen: torch.Tensor, drawn: torch.Tensor, shift: int) -> torch.Tensor:
    """The chosen images, mirrored and moved; black, 0, comes in at the edges.

    *Arguments*: `images` (…, channels, H, W) of uint8; `chosen` (N,), indices; `drawn` (N, 3), as `draw` has them, of
    that `shift` at most; all on one device, which is asked nothing.

    *Returns*: (N, channels, H, W) of uint8, contiguous."""
    count, (channels, height, width) = len(chosen), images.shape[1:]
    padded = nn.functional.pad(images.index_select(0, chosen), (shift,) * 4)
    mirrored, down, right = drawn[:, :, None].unbind(1)
    columns = torch.arange(width, device=images.device) - right
    columns = torch.where(mirrored > 0, width - 1 - columns, columns) + shift
    above = torch.arange(count * channels, device=images.device).view(count, channels, 1) * (height + 2 * shift)
    rows = above + (torch.arange(height, device=images.device) - down + shift)[:, None]
    kept = padded.flatten(0, 2).index_select(0, rows.flatten()).view(count, channels, height, -1)
    return kept.gather(3, columns[:, None, None].expand(-1, channels, height, -1))


def check_shift(shift: int, image_shape: tuple[int, ...]) -> None:
    """See that something of every image stays; `ValueError` if not.

    *Arguments*: `shift`; `image_shape`, (channels, H, W)."""
    if shift >= min(image_shape[1:]):
        height, width = image_shape[1:]
        raise ValueError(f"shift must be below the height and the width of the images, {height}×{width}, got {shift}")
