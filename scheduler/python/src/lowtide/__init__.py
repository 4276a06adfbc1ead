"""Tells lowtide of a training's epochs, and asks it whether to pause.

    import lowtide

    for epoch in lowtide.epochs(90):
        train(epoch)

Outside lowtide nothing here has any effect: no file, no output, no signal handler, and nothing but ``os`` is imported.
No fault of reporting ever reaches the training: a report that cannot be written is dropped.
"""

import os

__version__ = "0.1.0"
__all__ = [
    "EXIT_PAUSED",
    "KerasCallback",
    "LightningCallback",
    "TrainerCallback",
    "active",
    "epoch",
    "epoch_end",
    "epoch_start",
    "epochs",
    "pause",
    "resuming",
    "should_pause",
]

#: The exit code by which a job says: I have left a checkpoint, start me again (EX_TEMPFAIL of sysexits.h).
EXIT_PAUSED = 75

#: Where launchers tell a process its rank: torchrun, Slurm, Open MPI, MPICH.
_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")

_LAZY = {"KerasCallback": "keras", "LightningCallback": "lightning", "TrainerCallback": "transformers"}


def __getattr__(name):
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module("lowtide._" + _LAZY[name]), name)
    raise AttributeError("module 'lowtide' has no attribute " + repr(name))


def active():
    """Whether this process is run by lowtide."""
    return bool(os.environ.get("LOWTIDE_REPORT"))


def resuming():
    """Whether this job was paused before and is to go on from its checkpoint."""
    return active() and os.environ.get("LOWTIDE_RESUME") == "1"


def epoch_start(number, total=None):
    """Epoch ``number``, from 1 on, begins. ``total`` is how many there will be."""
    _report(number, total, "epoch-start")


def epoch_end(number, total=None):
    """Epoch ``number``, from 1 on, has ended."""
    _report(number, total, "epoch-end")


class epoch:
    """``with lowtide.epoch(3, 90): …``: epoch 3 of 90, numbered from 1 on. It has ended if nothing was raised."""

    def __init__(self, number, total=None):
        self.number = number
        self.total = total

    def __enter__(self):
        epoch_start(self.number, self.total)
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            epoch_end(self.number, self.total)
        return False


def epochs(total, start=0, save=None):
    """The numbers from ``start`` to ``total`` - 1, as ``range`` has them, each an epoch that is reported.

    When lowtide wants to pause the job, it is left at the end of an epoch with exit code 75, after ``save(number)`` was
    called with the number of that epoch. Without ``save`` the body of the loop has to have left its checkpoint. Only a
    job that was submitted with ``--checkpoint`` is ever left so.
    """
    return _epochs(total, start, save) if active() else iter(range(start, total))


def _epochs(total, start, save):
    if save is not None:
        _pauses().listen()
    for number in range(start, total):
        epoch_start(number + 1, total)
        yield number
        epoch_end(number + 1, total)
        # After the last one there is nothing to come back for.
        if number + 1 < total and _agreed(_pauses().asked()):
            if save is not None:
                save(number)
            pause()


def should_pause():
    """Whether lowtide wants this job to leave a checkpoint and exit with code 75 (see :func:`pause`).

    True at the earliest moment: before the signal comes, if lowtide waits for the end of an epoch. From the first call
    on the signal no longer ends the process (it makes this true), so that it cannot come in the middle of a checkpoint;
    a handler of the script's own is left in place. A job that does not leave within its grace is killed.

    In a training of several processes ask in one of them and tell the others: they need not see it at the same moment.
    """
    return active() and _pauses().listen().asked()


def pause():
    """Ends this process with code 75: the checkpoint is left, start it again later."""
    if active():
        _pauses().leave()
    raise SystemExit(EXIT_PAUSED)


def _pauses():
    from lowtide import _pause

    return _pause


def _agreed(asked):
    """What the first of the processes of a ``torch.distributed`` training says: all leave after the same epoch."""
    import sys

    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return asked
    answer = [asked]
    distributed.broadcast_object_list(answer, src=0)
    return answer[0]


def _report(number, total, event):
    path = os.environ.get("LOWTIDE_REPORT")
    if not path or not _is_first():
        return
    line = '{"event": "%s", "epoch": %d%s}\n' % (event, number, "" if not total else ', "epochs": %d' % total)
    try:
        # Not created: without the agent's file nobody reads it. One write, so that lines of several threads stay whole.
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
    except OSError:
        pass


def _is_first():
    """Whether this is the first of the processes of a training: it speaks for all."""
    rank = next((os.environ[name] for name in _RANKS if name in os.environ), "0")
    return rank == "0"
