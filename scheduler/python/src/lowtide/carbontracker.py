"""A stand-in for Carbontracker's ``CarbonTracker``, so that scripts written for it run under lowtide unchanged.

Either change the import, ``from lowtide.carbontracker import CarbonTracker``, or nothing at all:

    python -m lowtide.carbontracker train.py --epochs 90

It measures nothing itself: lowtide's agent does, and ``lowtide show`` has what Carbontracker would have printed. Outside
lowtide it does nothing.
"""

import sys

import lowtide


class CarbonTracker:
    """Takes the arguments of Carbontracker 2.4.7; only ``epochs`` says anything that lowtide does not know better."""

    def __init__(
        self,
        epochs,
        epochs_before_pred=1,
        monitor_epochs=-1,
        update_interval=1,
        interpretable=True,
        stop_and_confirm=False,
        ignore_errors=False,
        components="all",
        devices_by_pid=False,
        log_dir=None,
        log_file_prefix="",
        verbose=1,
        decimal_precision=12,
        api_keys=None,
        sim_cpu=None,
        sim_cpu_tdp=None,
        sim_cpu_util=None,
        sim_gpu=None,
        sim_gpu_watts=None,
        sim_gpu_util=None,
    ):
        self.epochs = epochs
        # As in Carbontracker: the number of the epoch that runs, from 0 on.
        self.epoch_counter = 0
        self.stopped = False

    def epoch_start(self):
        """An epoch begins."""
        if not self.stopped:
            lowtide.epoch_start(self.epoch_counter + 1, self.epochs)

    def epoch_end(self):
        """It has ended."""
        if not self.stopped:
            self.epoch_counter += 1
            lowtide.epoch_end(self.epoch_counter, self.epochs)

    def stop(self):
        """No further epochs are told. To stop twice is no fault."""
        self.stopped = True

    def set_api_keys(self, api_keys):
        """Nothing: lowtide's daemon has its own keys, and jobs need none."""


def install():
    """Makes ``from carbontracker.tracker import CarbonTracker`` give the class above, in this process."""
    import types

    package, tracker = types.ModuleType("carbontracker"), types.ModuleType("carbontracker.tracker")
    package.__path__ = []
    package.tracker = tracker
    package.CarbonTracker = tracker.CarbonTracker = CarbonTracker
    sys.modules["carbontracker"], sys.modules["carbontracker.tracker"] = package, tracker


def main():
    """Runs a script as ``python SCRIPT ARGUMENTS`` would, with the stand-in installed."""
    import os
    import runpy

    if len(sys.argv) < 2:
        sys.exit("usage: python -m lowtide.carbontracker SCRIPT [ARGUMENT…]")
    install()
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
