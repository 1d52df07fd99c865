"""What has to be so before anything else is imported.

Signals as a terminal has them: a shell's background jobs ignore SIGINT, and so would all that the tests start. Triton
as an interpreter where there is no GPU, which it has to be told before it is imported. And one thread, as in a worker:
records are reproducible, and tests that run side by side do not wait for each other's threads."""

import os
import signal

import pytest
import threadpoolctl
import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    torch.set_num_threads(before)
