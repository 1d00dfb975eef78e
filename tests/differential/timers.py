"""Signal handlers that come in the middle of a call."""

from __future__ import annotations

import contextlib
import signal


@contextlib.contextmanager
def alarms(action, after, again=0.0):
    """While the block runs, `action` is called by a handler: after so many seconds, and again as often."""
    old = signal.signal(signal.SIGALRM, lambda signum, frame: action())
    signal.setitimer(signal.ITIMER_REAL, after, again)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # first: a handler that is still to run may start the timer again
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
