"""The state of an unfinished run as bytes, so that a run of hours that is killed goes on from one of its last epochs.

Its record is that of a run that nothing happened to, on a CPU to the last bit: all that the next epoch depends on is in
the state. It is taken up only where it was made, by the same code, and whole."""

import hashlib
import io
from typing import Any

import torch

from fc_width.step import Step

DIGEST = hashlib.sha256


def pack(
    made: dict[str, str], step: Step, order: torch.Generator, history: dict[str, list[float]], seconds: float
) -> bytes:
    """The state at the end of an epoch.

    *Arguments*: `made`, what code, machine and data; `step`; `order`, which draws the epochs' orders; `history`,
    of the epochs so far; `seconds`, that they took."""
    stream = io.BytesIO()
    tensors = [tensor.cpu() for tensor in step.state()]
    state = {"made": made, "tensors": tensors, "order": order.get_state(), "history": history, "seconds": seconds}
    torch.save(state, stream)
    content = stream.getvalue()
    return DIGEST(content).digest() + content


def take_up(
    content: bytes, made: dict[str, str], step: Step, order: torch.Generator, history: dict[str, list[float]]
) -> float:
    """Put `step`, `order` and `history` into the state that `pack` made of them, and return its seconds; or leave them,
    and return 0, if the content is damaged or was not `made` the same way."""
    size = DIGEST().digest_size
    if DIGEST(content[size:]).digest() != content[:size]:
        return 0.0
    state: dict[str, Any] = torch.load(io.BytesIO(content[size:]), weights_only=True)
    if state["made"] != made:
        return 0.0
    for tensor, value in zip(step.state(), state["tensors"], strict=True):
        tensor.copy_(value)
    order.set_state(state["order"])
    history.update(state["history"])
    return float(state["seconds"])
