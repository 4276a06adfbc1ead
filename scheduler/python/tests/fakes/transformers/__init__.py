"""Stands in for transformers in tests of the callback, where it is not installed: its Trainer's order of calls."""

import types


class TrainerCallback:
    pass


class Trainer:
    def __init__(self, epochs, steps, callbacks):
        self.args = types.SimpleNamespace(num_train_epochs=float(epochs), max_steps=-1, world_size=1)
        self.state = types.SimpleNamespace(epoch=0.0, num_train_epochs=epochs, is_world_process_zero=True)
        self.control = types.SimpleNamespace(should_training_stop=False, should_save=False)
        self.steps = steps
        self.callbacks = callbacks

    def _call(self, hook):
        for callback in self.callbacks:
            getattr(callback, hook)(self.args, self.state, self.control, model=None)

    def _save(self):
        if self.control.should_save:
            print("saved at epoch", self.state.epoch)
            self.control.should_save = False

    def train(self, step=lambda number: None):
        self._call("on_train_begin")
        for epoch in range(self.state.num_train_epochs):
            self._call("on_epoch_begin")
            for number in range(self.steps):
                step(epoch * self.steps + number)
                self.state.epoch = epoch + (number + 1) / self.steps
                self._call("on_step_end")
                self._save()
                if self.control.should_training_stop:
                    break
            self._call("on_epoch_end")
            self._save()
            if self.control.should_training_stop:
                break
        self._call("on_train_end")
