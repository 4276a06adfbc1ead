#!/usr/bin/env python3
"""Fits a line to noisy points by gradient descent: a training job with nothing but Python's standard library.

lowtide needs no change in the code: it reads `Epoch 3/20` from the output. Two things make a job one that can be paused
and moved: a checkpoint written by the end of each epoch, and going on from it when `LOWTIDE_RESUME` is 1.

    lowtide submit --checkpoint -- python3 train.py --epochs 20
"""

import argparse
import json
import os
import random
import sys
import time

SLOPE, OFFSET, NOISE = 3.0, -1.0, 0.1
RATE = 0.01


def begin():
    return {"epochs_done": 0, "slope": 0.0, "offset": 0.0}


def resume(path):
    """What an earlier run has left, or a new beginning where it has left nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return begin()


def save(path, state):
    """Under another name first: whoever looks finds the old checkpoint or the new one, never half of one."""
    unfinished = path + ".unfinished"
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def train(state, seconds):
    """Learns from new points until the time has passed, from one at least; gives back the mean squared error."""
    until = time.monotonic() + seconds
    total, count = 0.0, 0
    while count == 0 or time.monotonic() < until:
        x = random.uniform(-1.0, 1.0)
        y = SLOPE * x + OFFSET + random.gauss(0.0, NOISE)
        error = state["slope"] * x + state["offset"] - y
        state["slope"] -= RATE * error * x
        state["offset"] -= RATE * error
        total, count = total + error * error, count + 1
    return total / count


def main():
    parser = argparse.ArgumentParser(description="Fit a line to noisy points.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--epoch-seconds", type=float, default=1.0)
    parser.add_argument("--checkpoint", default="train.checkpoint.json")
    arguments = parser.parse_args()

    state = resume(arguments.checkpoint) if os.environ.get("LOWTIDE_RESUME") == "1" else begin()
    while state["epochs_done"] < arguments.epochs:
        loss = train(state, arguments.epoch_seconds)
        state["epochs_done"] += 1
        # Before the epoch is told: who is asked to leave at the end of an epoch has its checkpoint by then.
        save(arguments.checkpoint, state)
        print(f"Epoch {state['epochs_done']}/{arguments.epochs} loss={loss:.4f}", flush=True)
    print(f"y = {state['slope']:.2f} x + {state['offset']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
