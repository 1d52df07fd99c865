"""The state of an unfinished run as bytes, so that a run of hours that is killed goes on from one of its last epochs.

Its record is that of a run that nothing happened to, on a CPU to the last bit, but for `seconds` and `provenance`: all
that the next epoch depends on is in the state. It is taken up only where it was made, by the same code, and whole."""

import hashlib
import json

import torch
from safetensors.torch import load, save

from fc_width.step import Step

DIGEST = hashlib.sha256


def pack(
    made: dict[str, str], step: Step, order: torch.Generator, history: dict[str, list[float]], seconds: float
) -> bytes:
    """The state at the end of an epoch.

    *Arguments*: `made`, what code, machine and data; `step`; `order`, which draws the epochs' orders; `history`, of the
    epochs so far; `seconds`, that they took."""
    about = json.dumps({"made": made, "history": history, "seconds": seconds}).encode()
    tensors = {"about": torch.frombuffer(bytearray(about), dtype=torch.uint8), "order": order.get_state()}
    tensors |= {str(index): tensor.cpu().contiguous() for index, tensor in enumerate(step.state())}
    content = save(tensors)
    return DIGEST(content).digest() + content


def take_up(
    content: bytes, made: dict[str, str], step: Step, order: torch.Generator, history: dict[str, list[float]]
) -> float | None:
    """Put `step`, `order` and `history` into the state that `pack` made of them, and return its seconds; or leave them,
    and return None, if the content is damaged or was not `made` the same way."""
    size = DIGEST().digest_size
    if DIGEST(content[size:]).digest() != content[:size]:
        return None
    tensors = load(content[size:])
    if not {"about", "order"} <= tensors.keys():
        return None
    about = json.loads(bytes(tensors.pop("about").tolist()))
    place = tensors.pop("order")
    state = step.state()
    if about["made"] != made or [tensors[str(n)].shape for n in range(len(tensors))] != [each.shape for each in state]:
        return None
    for index, tensor in enumerate(state):
        tensor.copy_(tensors[str(index)])
    order.set_state(place)
    history.update(about["history"])
    return float(about["seconds"])
