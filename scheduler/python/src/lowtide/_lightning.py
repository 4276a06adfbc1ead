"""The callback for Lightning: ``Trainer(callbacks=[lowtide.LightningCallback()])``."""

import lowtide

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    from pytorch_lightning.callbacks import Callback


class LightningCallback(Callback):
    """Reports epochs; when lowtide wants to pause, stops the training after an epoch and exits with code 75.

    The checkpoint is that of Lightning's ``ModelCheckpoint``, which always comes after other callbacks; or, with
    ``save_to``, one that is saved there when the training ends for a pause.
    """

    def __init__(self, save_to=None):
        super().__init__()
        self._save_to = save_to
        self._pauses = False

    @staticmethod
    def _total(trainer):
        total = trainer.max_epochs
        return total if total is not None and total > 0 else None

    def on_fit_start(self, trainer, pl_module):
        lowtide.should_pause()

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.is_global_zero:
            lowtide.epoch_start(trainer.current_epoch + 1, self._total(trainer))

    def on_train_epoch_end(self, trainer, pl_module):
        total = self._total(trainer)
        if trainer.is_global_zero:
            lowtide.epoch_end(trainer.current_epoch + 1, total)
        if (total is None or trainer.current_epoch + 1 < total) and lowtide.active():
            if lowtide._agreed(lowtide.should_pause()):
                self._pauses = True
                trainer.should_stop = True

    def on_fit_end(self, trainer, pl_module):
        if self._pauses:
            if self._save_to is not None:
                trainer.save_checkpoint(self._save_to)
            lowtide.pause()
