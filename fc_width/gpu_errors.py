"""What an error says of a GPU: that it is full, or that this process can run nothing more on it."""

from collections.abc import Iterator, Sequence

import torch

NO_MEMORY = (
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "unable to find an engine to execute this computation",  # cuDNN, where no algorithm gets its workspace
    *(f"{library}_STATUS_ALLOC_FAILED" for library in ("CUBLAS", "CUDNN", "CUSOLVER")),
    *(f"{library}_STATUS_NOT_INITIALIZED" for library in ("CUBLAS", "CUDNN", "CUSOLVER")),
)
"""What an error that is not torch's own says of a full GPU: a library that finds no room is not initialised either."""

BROKEN = (
    *("CUDA error", "Triton Error [CUDA]", "cuDNN error", "CUDNN_STATUS_", "CUBLAS_STATUS_", "CUSOLVER_STATUS_"),
    "cusolver error",
)
"""What an error says after which nothing more can be run on the GPU by this process, if it is none of `NO_MEMORY`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's memory ran out, also where that ended in another error, as it may while a graph is captured."""
    return any(isinstance(each, torch.OutOfMemoryError) for each in chain(error)) or _says(error, NO_MEMORY)


def is_of_device(error: BaseException) -> bool:
    """Whether the GPU, its driver or one of its libraries says it; broken is what is not full (`is_out_of_memory`)."""
    return _says(error, BROKEN)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those while handling which it was raised."""
    while error is not None:
        yield error
        error = error.__context__


def _says(error: BaseException, words: Sequence[str]) -> bool:
    return any(word in str(each) for each in chain(error) for word in words)
