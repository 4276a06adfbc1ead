"""Whether lowtide has asked this job to leave. Imported only where lowtide runs the process.

Two things say so: the file ``leave`` beside the one named by ``LOWTIDE_REPORT``, which appears as soon as lowtide wants
the job to leave, and the signal of ``LOWTIDE_CHECKPOINT_SIGNAL``, which the agent sends at the end of the epoch.
"""

import os
import signal
import sys
import threading

_received = threading.Event()
_listening = False


def can_pause():
    """Whether the job was submitted with ``--checkpoint``. Any other would fail by leaving."""
    return _signal() is not None


def asked():
    return can_pause() and (_received.is_set() or _wished())


def received():
    """Whether the signal came. Costs nothing, unlike :func:`asked`, which looks for a file."""
    return _received.is_set()


def listen():
    """Makes the signal known to :func:`asked` instead of letting it end the process. Returns this module."""
    global _listening
    number = _signal()
    if not _listening and number is not None and threading.current_thread() is threading.main_thread():
        _listening = True
        # A handler of the script's own knows better.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _receive)
    return sys.modules[__name__]


def leave():
    """The process leaves by itself: the signal, which may still come, is to end it no sooner. Python takes handlers away
    as it ends, but leaves a signal ignored that is."""
    number = _signal()
    if number is not None and threading.current_thread() is threading.main_thread():
        if signal.getsignal(number) in (signal.SIG_DFL, _receive):
            signal.signal(number, signal.SIG_IGN)


def _receive(*_):
    _received.set()


def _signal():
    try:
        return signal.Signals(int(os.environ.get("LOWTIDE_CHECKPOINT_SIGNAL", "")))
    except ValueError:
        return None


def _wished():
    folder = os.path.dirname(os.environ.get("LOWTIDE_REPORT", ""))
    try:
        with open(os.path.join(folder, "leave"), encoding="ascii") as file:
            return file.read(64).strip() in ("epoch-end", "now", "kill")
    except (OSError, ValueError):
        return False
