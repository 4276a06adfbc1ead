"""What Lightning 2 gives a callback, in the order of its `Trainer.fit`."""


class Callback:
    pass


class Trainer:
    is_global_zero = True
    should_stop = False
    current_epoch = 0

    def __init__(self, max_epochs, callbacks):
        self.max_epochs = max_epochs
        self.callbacks = callbacks

    def _call(self, hook):
        for callback in self.callbacks:
            getattr(callback, hook)(self, None)

    def save_checkpoint(self, path):
        open(path, "w").close()

    def fit(self):
        self._call("on_fit_start")
        while self.current_epoch < self.max_epochs and not self.should_stop:
            self._call("on_train_epoch_start")
            self._call("on_train_epoch_end")
            self.current_epoch += 1
        self._call("on_fit_end")
