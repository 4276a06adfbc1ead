"""The callback for the Trainer of Hugging Face: ``Trainer(…, callbacks=[lowtide.TrainerCallback()])``."""

import math

from transformers import TrainerCallback as Callback

import lowtide


class TrainerCallback(Callback):
    """Reports epochs; when lowtide wants to pause, has the Trainer save a checkpoint and exits with code 75.

    It looks after each step too: a signal that comes within an epoch is heeded at once.
    """

    def __init__(self):
        self._pauses = False

    @staticmethod
    def _total(args, state):
        total = math.ceil(args.num_train_epochs) if args.max_steps <= 0 else state.num_train_epochs
        return total if total and total > 0 else None

    def on_train_begin(self, args, state, control, **kwargs):
        lowtide.should_pause()

    def on_epoch_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            lowtide.epoch_start(int(state.epoch or 0) + 1, self._total(args, state))

    def on_step_end(self, args, state, control, **kwargs):
        # Only in a training of one process: to agree after every step would cost one message each.
        if lowtide.active() and args.world_size <= 1 and lowtide._pauses().received():
            self._leave(control)

    def on_epoch_end(self, args, state, control, **kwargs):
        number, total = round(state.epoch or 0), self._total(args, state)
        if self._pauses or state.epoch is None or abs(state.epoch - number) > 1e-3:
            return
        if state.is_world_process_zero:
            lowtide.epoch_end(number, total)
        if (total is None or number < total) and lowtide.active() and lowtide._agreed(lowtide.should_pause()):
            self._leave(control)

    def on_train_end(self, args, state, control, **kwargs):
        if self._pauses:
            lowtide.pause()

    def _leave(self, control):
        self._pauses = True
        control.should_save = True
        control.should_training_stop = True
