"""The job of compare.py: it sleeps, epoch after epoch, alone or under a tracker in its own process."""

import json
import os
import resource
import sys
import time


def since_process_start() -> float:
    """How long ago this process began: what Python itself needed to start."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime") as file:
        return float(file.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


PYTHON_START = since_process_start()


def memory_mb(what: str) -> float:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(what + ":"))


def carbontracker(epochs: int, root: str):
    from carbontracker.components.cpu import intel

    intel.RAPL_DIR = root
    from carbontracker.tracker import CarbonTracker

    # Sampled by the package's own default, each second; it looks up where it is by the network and does without.
    tracker = CarbonTracker(epochs=epochs, epochs_before_pred=1, monitor_epochs=-1, components="cpu", verbose=0, ignore_errors=True)
    return tracker.epoch_start, tracker.epoch_end, tracker.stop


def codecarbon(_epochs: int, root: str):
    import codecarbon.core.cpu as cpu

    base = os.path.join(os.path.dirname(root), "class")
    cpu._get_candidate_bases = lambda _folder: [base]
    begin = cpu.IntelRAPL.__init__
    cpu.IntelRAPL.__init__ = lambda self, *_, **named: begin(self, **{**named, "rapl_dir": base})
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="DNK", measure_power_secs=1, save_to_file=False, log_level="error")
    tracker.start()
    return (lambda: None), (lambda: None), tracker.stop


def main() -> None:
    tool, epochs, seconds, root, result = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5]
    nothing = (lambda: None, lambda: None, lambda: None)
    start, end, stop = {"carbontracker": carbontracker, "codecarbon": codecarbon}.get(tool, lambda *_: nothing)(epochs, root)
    begun = time.monotonic()
    early = None
    for epoch in range(1, epochs + 1):
        start()
        time.sleep(seconds)
        end()
        print(f"Epoch {epoch}/{epochs} loss={1 / epoch:.6f}", flush=True)
        if epoch == max(1, epochs // 10):
            early = memory_mb("VmRSS")
    wall = time.monotonic() - begun
    late = memory_mb("VmRSS")
    stop()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open(result, "w") as file:
        json.dump({
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": wall,
            "peak_mb": memory_mb("VmHWM"),
            "growth_mb": late - (early or late),
            "python_start_s": PYTHON_START,
        }, file)


if __name__ == "__main__":
    main()
