#!/usr/bin/env python3
"""A daemon with many queued jobs: what submitting, listing, showing and restarting take, and its memory.

    cargo build --release -p lowtide --bin lowtide
    python3 examples/queue/measure.py target/release/lowtide 10000 100000

Fifty sites of 1,024 processors in zones of known annual intensity; jobs of two hours under `overnight`, in a time zone in which it
is day now, so that all wait and none starts. Each world has a home of its own, which is removed in the end.
"""

import datetime
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 16
REPEATED = 15
LISTED = 5


class Socket(http.client.HTTPConnection):
    """HTTP over the daemon's socket."""

    def __init__(self, path):
        super().__init__("lowtide")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class World:
    """A home with a configuration, and the binary in it."""

    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        self.home = tempfile.mkdtemp(prefix="lowtide-queue-")
        folder = os.path.join(self.home, ".config/lowtide")
        os.makedirs(folder)
        with open(os.path.join(folder, "config.toml"), "w") as config:
            for site in range(50):
                config.write(f'[[sites]]\nname = "site-{site}"\nzone = "TEST-{site}"\ncpus = 1024\n\n')
            for site in range(50):
                config.write(f"[zones.TEST-{site}]\nannual_g_per_kwh = {200 + 4 * site}.0\n\n")
        # Noon, some hours this way or that, whenever it is run. Etc/GMT-9 is nine hours ahead.
        ahead = (12 - datetime.datetime.now(datetime.timezone.utc).hour) % 24
        ahead = ahead if ahead <= 12 else ahead - 24
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.home, "USER": "ada", "TZ": f"Etc/GMT{-ahead:+d}"}

    def run(self, *arguments):
        begun = time.perf_counter()
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{arguments}: {done.stderr}")
        return done.stdout, (time.perf_counter() - begun) * 1e3

    def status(self):
        return json.loads(self.run("daemon", "status", "--json")[0])


def submit_many(path, home, count):
    """Bulk: over kept connections. Milliseconds each took."""
    body = {"user": "ada", "command": ["sleep", "1"], "directory": home, "policy": "overnight", "duration_s": 7200, "cpus": 1}
    left, took, lock = iter(range(count)), [], threading.Lock()

    def client():
        connection = Socket(path)
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            text = json.dumps({**body, "name": f"model-{number % 200}", "sites": [f"site-{number % 50}"]})
            begun = time.perf_counter()
            connection.request("POST", "/v1/jobs", text, {"content-type": "application/json"})
            answer = connection.getresponse()
            told = answer.read()
            if answer.status != 201:
                sys.exit(f"{answer.status}: {told[:400]}")
            took.append((time.perf_counter() - begun) * 1e3)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return took


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmRSS"))


def runs(pid):
    """Whether it runs; one that has ended and that its parent has not looked at does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def tell(what, took):
    took = sorted(took)
    print(f"  {what:<34} median {statistics.median(took):8.1f} ms, most {took[-1]:8.1f} ms", flush=True)


def measure(binary, count):
    print(f"== {count} jobs queued", flush=True)
    world = World(binary)
    pid = None
    try:
        world.run("submit", "--policy", "overnight", "--duration", "2h", "--", "sleep", "1")
        status = world.status()
        pid = status["pid"]
        begun = time.perf_counter()
        took = submit_many(status["socket"], world.home, count)
        print(f"  {count / (time.perf_counter() - begun):.0f} submits a second by {CLIENTS} clients", flush=True)
        tell("one of them, the first thousand", took[:1000])
        tell("one of them, the last thousand", took[-1000:])
        ask(world, "while plans are being made")
        time.sleep(20)
        ask(world, "twenty seconds later")
        print(f"  resident {resident_mb(pid):.0f} MB", flush=True)
        _, took = world.run("daemon", "stop")
        begun = time.perf_counter()
        while runs(pid):
            time.sleep(0.001)
        print(f"  stop: {took:.0f} ms, its process ended {(time.perf_counter() - begun) * 1e3:.0f} ms later", flush=True)
        # Starts the daemon and waits until it answers.
        _, took = world.run("show", "17")
        pid = world.status()["pid"]
        print(f"  restart until a job is shown: {took:.0f} ms", flush=True)
        ask(world, "after a restart")
        print(f"  resident {resident_mb(pid):.0f} MB", flush=True)
    finally:
        subprocess.run([world.binary, "daemon", "stop"], env=world.environment, cwd=world.home, capture_output=True)
        shutil.rmtree(world.home, ignore_errors=True)


def ask(world, when):
    print(f"  {when}", flush=True)
    submit = ["submit", "--policy", "overnight", "--duration", "2h", "--site", "site-7", "--", "sleep", "1"]
    tell("  lowtide submit", [world.run(*submit)[1] for _ in range(REPEATED)])
    tell("  lowtide jobs", [world.run("jobs")[1] for _ in range(REPEATED)])
    tell("  lowtide jobs --json", [world.run("jobs", "--json")[1] for _ in range(LISTED)])
    tell("  lowtide show 17", [world.run("show", "17")[1] for _ in range(REPEATED)])
    tell("  lowtide daemon status", [world.run("daemon", "status")[1] for _ in range(REPEATED)])


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        measure(sys.argv[1], int(argument))
