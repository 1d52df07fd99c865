"""What has to be so before anything else is imported.

Signals as a terminal has them: a shell's background jobs ignore SIGINT, and so would all that the tests start. And
Triton as an interpreter where there is no GPU, which it has to be told before it is imported."""

import os
import signal

import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
