"""The callback for Keras: ``model.fit(…, callbacks=[…, lowtide.KerasCallback()])``."""

import lowtide

try:
    from keras.callbacks import Callback
except ImportError:
    from tensorflow.keras.callbacks import Callback


class KerasCallback(Callback):
    """Reports epochs; when lowtide wants to pause, stops the training after an epoch and exits with code 75.

    Put it after the callback that saves checkpoints.
    """

    def __init__(self):
        super().__init__()
        self._pauses = False

    def _total(self):
        return (self.params or {}).get("epochs")

    def on_train_begin(self, logs=None):
        lowtide.should_pause()

    def on_epoch_begin(self, epoch, logs=None):
        lowtide.epoch_start(epoch + 1, self._total())

    def on_epoch_end(self, epoch, logs=None):
        total = self._total()
        lowtide.epoch_end(epoch + 1, total)
        if (total is None or epoch + 1 < total) and lowtide.active() and lowtide._agreed(lowtide.should_pause()):
            self._pauses = True
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self._pauses:
            lowtide.pause()
