"""Signals as a terminal has them: a shell's background jobs ignore SIGINT, and so would all that the tests start."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
