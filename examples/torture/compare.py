#!/usr/bin/env python3
"""lowtide, Carbontracker and CodeCarbon over the same simulated devices whose energy is known.

    examples/torture/compare.py [--lowtide PATH] [--seconds N] [--venv FOLDER]

Each scenario has counters of RAPL in a folder, advanced by this process a hundred times a second, and GPUs behind the fake
NVML library of the meters' tests. Each tool meters a command that sleeps, one after the other, in real time. The truth
is what the devices went on by while the tool metered; powers are constant, so the tools are compared by mean power.

The other tools are installed from PyPI into a virtual environment outside this repository (--venv keeps it). Where they
have the place of the counters as a constant, that constant is set to the simulated folder; nothing else in them is
changed. Carbontracker multiplies by a PUE (its own constant), which is divided out again; its energy of memory and
processors is one number. CodeCarbon's energy of memory is a model and is shown apart.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FAKE = REPOSITORY / "scheduler/meters/tests/fake-nvml/nvml.rs"
RANGE_UJ = 262_143_328_850

# name, zones as (folder, name, watts, first value in µJ, counted), GPUs, watts of each
SCENARIOS = [
    ("package and dram", [("intel-rapl:0", "package-0", 80.0, 7_000_000_000, True),
                          ("intel-rapl:0/intel-rapl:0:0", "dram", 12.0, 2_000_000_000, True)], 0, 0.0),
    ("two packages, core, psys", [("intel-rapl:0", "package-0", 80.0, 7_000_000_000, True),
                                  ("intel-rapl:0/intel-rapl:0:0", "core", 50.0, 3_000_000_000, False),
                                  ("intel-rapl:1", "package-1", 60.0, 9_000_000_000, True),
                                  ("intel-rapl:2", "psys", 190.0, 11_000_000_000, False)], 0, 0.0),
    ("a wrap on the way", [("intel-rapl:0", "package-0", 100.0, RANGE_UJ - 700_000_000, True)], 0, 0.0),
    ("four GPUs of 100 W", [("intel-rapl:0", "package-0", 50.0, 5_000_000_000, True)], 4, 100.0),
]

CARBONTRACKER = """
import json, os, sys, time
import carbontracker.components.cpu.intel as intel
from carbontracker import constants
intel.RAPL_DIR = os.environ["RAPL"] + "/"
from carbontracker.tracker import CarbonTracker
tracker = CarbonTracker(epochs=2, monitor_epochs=2, epochs_before_pred=0, update_interval=1, verbose=0,
                        ignore_errors=True, components="all")
tracker.epoch_start()
begun = time.time()
time.sleep(float(sys.argv[1]))
seconds = time.time() - begun
tracker.epoch_end()
energy = float(tracker.tracker.total_energy_per_epoch().sum()) / constants.PUE_2023
print("RESULT", json.dumps({"joules": energy * 3.6e6, "seconds": seconds}))
"""

CODECARBON = """
import inspect, json, logging, os, sys, time
import codecarbon.core.cpu as cpu
root = os.environ["RAPL"]
original = cpu.IntelRAPL.__init__
def placed(self, *positional, **named):
    named["rapl_dir"] = root
    original(self, **named)
cpu.IntelRAPL.__init__ = placed
available = cpu.is_rapl_available
cpu.is_rapl_available = lambda rapl_dir=None: available(root)
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", measure_power_secs=1, save_to_file=False, log_level="error",
                                  rapl_include_dram=True, allow_multiple_runs=True)
tracker.start()
begun = time.time()
time.sleep(float(sys.argv[1]))
tracker.stop()
seconds = time.time() - begun
data = tracker.final_emissions_data
print("RESULT", json.dumps({"joules": (data.cpu_energy + data.gpu_energy) * 3.6e6, "seconds": seconds,
                            "modelled_memory": data.ram_energy * 3.6e6}))
"""


class Devices(threading.Thread):
    """Advances the counters of a scenario until it is stopped."""

    def __init__(self, folder, zones):
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.zones = []
        for place, name, watts, first, _ in zones:
            # As in /sys: zones lie in each other below a device, and the folder of the class links to all of them.
            zone = folder.parent / "devices/intel-rapl" / place
            zone.mkdir(parents=True)
            folder.mkdir(exist_ok=True)
            (folder / zone.name).symlink_to(zone)
            (zone / "name").write_text(name + "\n")
            (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            self.zones.append((zone / "energy_uj", watts, first))
        (folder / "intel-rapl").symlink_to(folder.parent / "devices/intel-rapl")
        self.begun = time.monotonic()
        self.files = [open(path, "w+b", buffering=0) for path, _, _ in self.zones]
        self.write()

    def write(self):
        elapsed = time.monotonic() - self.begun
        for file, (_, watts, first) in zip(self.files, self.zones):
            # In place and of one length, as the kernel's file changes: a reader never finds it empty.
            os.pwrite(file.fileno(), b"%012d\n" % (int(first + watts * 1e6 * elapsed) % RANGE_UJ), 0)

    def run(self):
        while not self.stopped.wait(0.01):
            self.write()


def run(command, environment, marker=None):
    """Runs a tool and returns what it says, or why it says nothing."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    lines = done.stdout.splitlines()
    if marker:
        lines = [line[len(marker):] for line in lines if line.startswith(marker)]
        text = lines[-1] if lines else ""
    else:
        text = done.stdout
    try:
        return json.loads(text)
    except ValueError:
        return {"fault": (done.stderr.strip().splitlines() or ["it says nothing"])[-1][:90]}


def by_lowtide(lowtide, environment, seconds):
    said = run([*lowtide, "measure", "--offline", "--json", "--", "sleep", str(seconds)], environment)
    if "fault" in said:
        return said
    actual = said["actual"]
    return {"joules": actual["energy_kwh"] * 3.6e6, "seconds": actual["duration_s"]}


def other_tools(folder):
    """A Python with the other tools, or nothing."""
    python = folder / "bin/python"
    if python.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    installed = subprocess.run([folder / "bin/pip", "install", "-q", "carbontracker", "codecarbon"], check=False)
    if installed.returncode != 0:
        print("SKIPPED: Carbontracker and CodeCarbon could not be installed from PyPI; lowtide runs alone")
        return None
    return python


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lowtide", help="a built binary; by default `cargo run`")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--venv", type=pathlib.Path)
    arguments = parser.parse_args()
    lowtide = [arguments.lowtide] if arguments.lowtide else [
        "cargo", "run", "-q", "--manifest-path", str(REPOSITORY / "Cargo.toml"), "--bin", "lowtide", "--"]
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        python = other_tools(arguments.venv or temporary / "venv")
        library = temporary / "lib/libnvidia-ml.so.1"
        library.parent.mkdir()
        subprocess.run(["rustc", "--edition", "2024", "--crate-type", "cdylib", "-A", "warnings", "-o", library, FAKE],
                       check=True)
        print(f"{'scenario':<26} {'tool':<14} {'truth W':>9} {'told W':>9} {'error %':>8}")
        for number, (name, zones, gpus, gpu_watts) in enumerate(SCENARIOS):
            truth = sum(zone[2] for zone in zones if zone[4]) + gpus * gpu_watts
            tools = {"lowtide": by_lowtide}
            if python:
                tools |= {"Carbontracker": CARBONTRACKER, "CodeCarbon": CODECARBON}
            for tool, how in tools.items():
                folder = temporary / f"{number}-{tool}" / "powercap"
                devices = Devices(folder, zones)
                devices.start()
                environment = dict(os.environ, RAPL=str(folder), LOWTIDE_POWERCAP_ROOT=str(folder),
                                   FAKE_NVML_GPUS=str(gpus), FAKE_NVML_WATTS=str(gpu_watts))
                if gpus:
                    environment |= {"LD_LIBRARY_PATH": str(library.parent), "LOWTIDE_NVML_LIBRARY": str(library)}
                try:
                    if callable(how):
                        said = how(lowtide, environment, arguments.seconds)
                    else:
                        script = temporary / f"{tool}.py"
                        script.write_text(how)
                        said = run([python, script, str(arguments.seconds)], environment, "RESULT ")
                except subprocess.TimeoutExpired:
                    said = {"fault": "no answer within 300 s"}
                devices.stopped.set()
                if "fault" in said:
                    print(f"{name:<26} {tool:<14} {truth:>9.2f} {'-':>9} {'-':>8}  {said['fault']}", flush=True)
                    continue
                watts = said["joules"] / said["seconds"]
                beside = said.get("modelled_memory")
                note = f"  (+ {beside / said['seconds']:.1f} W of memory, modelled)" if beside else ""
                print(f"{name:<26} {tool:<14} {truth:>9.2f} {watts:>9.2f} {(watts - truth) / truth * 100:>8.2f}{note}",
                      flush=True)


if __name__ == "__main__":
    main()
