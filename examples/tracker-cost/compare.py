#!/usr/bin/env python3
"""What measuring costs: lowtide's agent beside Carbontracker and CodeCarbon, in one run on this machine.

Each of them watches the same job, which sleeps: what is used beyond the job alone is the tracker's. All sample once a second.
Carbontracker and CodeCarbon come from PyPI into a virtual environment of their own; without a network they are left out, and
that is said. Counters are files (a powercap tree, and for lowtide a `libnvidia-ml.so` that only tells power, so that it has to
sample each second, too): their values do not matter here. Carbontracker's and CodeCarbon's paths to the counters are constants
in their code and are set from outside.

    cargo build --release && python3 examples/tracker-cost/compare.py

Standard library only.
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def counters(folder: Path) -> Path:
    """A powercap tree of one package and its memory, below `folder`."""
    root = folder / "powercap"
    for zone, name in [("intel-rapl:0", "package-0"), ("intel-rapl:0/intel-rapl:0:0", "dram")]:
        (root / zone).mkdir(parents=True)
        (root / zone / "name").write_text(name + "\n")
        (root / zone / "max_energy_range_uj").write_text("262143328850\n")
        (root / zone / "energy_uj").write_text("1000000\n")
    # CodeCarbon looks for zones two folders down.
    (folder / "class").mkdir()
    (folder / "class/intel-rapl").symlink_to(root)
    return root


def fake_gpu(folder: Path) -> Path:
    library = folder / "libnvidia-ml.so.1"
    source = REPOSITORY / "scheduler/meters/tests/fake-nvml/nvml.rs"
    subprocess.run(["rustc", "--edition", "2024", "--crate-type", "cdylib", "-C", "opt-level=1", "-o", library, source], check=True)
    return library


class FirstRead:
    """Tells when a file is read for the first time (inotify, IN_ACCESS)."""

    def __init__(self, path: Path):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        if self.fd < 0 or self.libc.inotify_add_watch(self.fd, str(path).encode(), 0x1) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def happened(self) -> bool:
        try:
            return len(os.read(self.fd, 4096)) >= struct.calcsize("iIII")
        except BlockingIOError:
            return False


def processes_below(root: int):
    """Living processes below one, with their command lines."""
    found, children = [], {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
                children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except OSError:
                pass
    todo = [root]
    while todo:
        for child in children.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def cpu_seconds(pid: int) -> float:
    """What a process itself has used, without what it started."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def memory_mb(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {what}")


def job(tool: str, epochs: int, seconds: float, root: Path, result: Path):
    return [str(HERE / "job.py"), tool, str(epochs), str(seconds), str(root), str(result)]


def in_process(python: str, tool: str, epochs: int, seconds: float, folder: Path) -> dict:
    """A tracker inside the job's own process."""
    work = Path(tempfile.mkdtemp(dir=folder))
    root, result = counters(work), work / "result.json"
    first = FirstRead(root / "intel-rapl:0/energy_uj")
    begun = time.monotonic()
    log = (work / "log").open("w")
    process = subprocess.Popen([python, *job(tool, epochs, seconds, root, result)], stdout=log, stderr=log, cwd=work)
    read_after = None
    while process.poll() is None:
        if read_after is None and first.happened():
            read_after = time.monotonic() - begun
        time.sleep(0.005)
    if process.returncode != 0:
        raise RuntimeError(f"{tool} failed: " + (work / "log").read_text()[-2000:])
    told = json.loads(result.read_text())
    if read_after is not None:
        # From the moment the job's script began, not counting the start of Python.
        read_after = max(0.0, read_after - told["python_start_s"])
    return {**told, "first_sample_s": read_after}


def agent(lowtide: Path, python: str, epochs: int, seconds: float, folder: Path) -> dict:
    """The agent beside a job of lowtide's queue."""
    work = Path(tempfile.mkdtemp(dir=folder))
    root, result = counters(work), work / "result.json"
    library = fake_gpu(work)
    home = work / "home"
    (home / ".config/lowtide").mkdir(parents=True)
    (home / ".config/lowtide/config.toml").write_text(
        '[[sites]]\nname = "home"\nzone = "TEST-A"\ncpus = 2\ngpus = 1\n[zones.TEST-A]\nannual_g_per_kwh = 400.0\n'
    )
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "LOWTIDE_NVML_LIBRARY": str(library), "FAKE_NVML_ENERGY": "none",
    }
    first = FirstRead(root / "intel-rapl:0/energy_uj")
    subprocess.run([lowtide, "daemon", "start"], env=environment, check=True, capture_output=True)
    daemon = json.loads(subprocess.run([lowtide, "daemon", "status", "--json"], env=environment, check=True, capture_output=True).stdout)
    try:
        command = [python, *job("none", epochs, seconds, root, result)]
        flags = ["--policy", "run-now", "--gpus", "1", "--env", f"LOWTIDE_POWERCAP_ROOT={root}", "--follow", "--quiet"]
        following = subprocess.Popen([lowtide, "submit", *flags, "--", *command], env=environment, cwd=work, stdout=subprocess.DEVNULL)
        pid, sample = None, {}
        begun = read_after = None
        rss = []
        while following.poll() is None:
            if pid is None:
                for candidate in processes_below(daemon["pid"]) + processes_below(1):
                    try:
                        words = Path(f"/proc/{candidate}/cmdline").read_bytes().split(b"\0")
                    except OSError:
                        continue
                    if len(words) > 1 and words[0] == str(lowtide).encode() and words[1] == b"agent":
                        pid, begun = candidate, started_at(candidate)
            else:
                try:
                    sample = {"cpu_s": cpu_seconds(pid), "peak_mb": memory_mb(pid, "VmHWM")}
                    rss.append((time.monotonic(), memory_mb(pid, "VmRSS")))
                except (OSError, IndexError):
                    pass
            if read_after is None and first.happened():
                read_after = time.monotonic()
            time.sleep(0.02 if pid is None or read_after is None else 0.1)
        if following.returncode != 0 or not sample:
            raise RuntimeError(f"lowtide's job ended with {following.returncode}; agent {pid}")
        early = rss[max(1, len(rss) // 10)][1]
        return {
            **sample,
            "wall_s": json.loads(result.read_text())["wall_s"],
            "first_sample_s": None if read_after is None or begun is None else read_after - begun,
            "growth_mb": rss[-1][1] - early,
        }
    finally:
        os.kill(daemon["pid"], signal.SIGTERM)


def started_at(pid: int) -> float:
    """When a process began, on the monotonic clock."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    since_boot = float(Path("/proc/uptime").read_text().split()[0])
    return time.monotonic() - (since_boot - int(fields[19]) / TICKS)


def trackers(folder: Path):
    """A Python with both trackers, or none."""
    shutil.rmtree(folder / "venv", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "carbontracker", "codecarbon"]
    if subprocess.run(install).returncode != 0:
        print("SKIPPED: carbontracker and codecarbon cannot be installed from PyPI", file=sys.stderr)
        return None
    return str(python)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lowtide", type=Path, default=REPOSITORY / "target/release/lowtide")
    parser.add_argument("--seconds", type=float, default=120, help="length of the job whose cost is told")
    parser.add_argument("--epochs", type=int, default=10_000, help="epochs of the job whose growth is told")
    parser.add_argument("--python", help="a Python that has both trackers, instead of a fresh one")
    args = parser.parse_args()
    if not args.lowtide.exists():
        parser.error(f"{args.lowtide} is not there: cargo build --release")
    folder = Path(tempfile.mkdtemp(prefix="lowtide-cost-"))
    try:
        python = args.python or trackers(folder)
        epochs = max(1, round(args.seconds))
        rows = []
        alone = in_process(sys.executable, "none", epochs, 1.0, folder)
        rows.append(("lowtide agent", agent(args.lowtide.resolve(), sys.executable, epochs, 1.0, folder),
                     agent(args.lowtide.resolve(), sys.executable, args.epochs, 0.002, folder)))
        if python:
            version = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
            for tool in ["carbontracker", "codecarbon"]:
                number = subprocess.run([python, "-c", version, tool], capture_output=True, text=True).stdout.strip()
                cost = in_process(python, tool, epochs, 1.0, folder)
                cost["cpu_s"] = cost["cpu_s"] - alone["cpu_s"]
                cost["peak_mb"] = cost["peak_mb"] - alone["peak_mb"]
                rows.append((f"{tool} {number}", cost, in_process(python, tool, args.epochs, 0.002, folder)))
        print(f"one sample a second, a job of {epochs} s; growth over the last 90 % of {args.epochs} epochs\n")
        print(f"{'':24} {'share of a core':>16} {'CPU s an hour':>14} {'memory MB':>10} {'first sample s':>15} {'growth MB':>10}")
        for name, cost, long in rows:
            share = cost["cpu_s"] / cost["wall_s"]
            sample = "-" if cost["first_sample_s"] is None else f"{cost['first_sample_s']:.3f}"
            print(f"{name:24} {share:16.4%} {share * 3600:14.2f} {cost['peak_mb']:10.1f} {sample:>15} {long['growth_mb']:10.2f}")
        return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
