"""The callbacks: with stand-ins for the libraries, and with the libraries themselves where they are installed."""

import importlib.util
import os
import unittest

from test_client import Case

FAKES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fakes")

#: At the end of the second epoch lowtide wishes that the job leaves.
WISH = 'open("leave", "w").write("epoch-end")'


def needs(*modules):
    """Skips a test, and says so, where a library is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    reason = "SKIPPED: %s is not installed; the callback is tested with a stand-in only" % ", ".join(missing)
    return unittest.skipIf(missing, reason)


class StandIns(Case):
    def run_fake(self, script, code=0):
        done = self.succeeds(self.world.run(script, paths=(FAKES,)), code)
        return done.stdout.decode()

    def test_keras(self):
        script = """
            import lowtide
            from keras.callbacks import Model
            Model().fit(3, [lowtide.KerasCallback()])
        """
        self.run_fake(script)
        self.assertEqual(self.world.said()[-2:], [("epoch-start", 3, 3), ("epoch-end", 3, 3)])
        resumed = """
            import lowtide
            from keras.callbacks import Callback, Model
            class Wish(Callback):
                on_train_begin = on_epoch_begin = on_train_end = lambda self, *a, **k: None
                def on_epoch_end(self, epoch, logs=None):
                    if epoch == 13: %s
            Model().fit(20, [Wish(), lowtide.KerasCallback()], initial_epoch=12)
        """ % WISH
        self.run_fake(resumed, 75)
        self.assertEqual(self.world.ended(), [1, 2, 3, 13, 14])

    def test_lightning(self):
        script = """
            import lowtide
            from lightning.pytorch.callbacks import Trainer
            Trainer(2, [lowtide.LightningCallback()]).fit()
            %s
            Trainer(9, [lowtide.LightningCallback(save_to="saved.ckpt")]).fit()
        """ % WISH
        self.run_fake(script, 75)
        self.assertEqual(self.world.ended(), [1, 2, 1])
        self.assertEqual(self.world.said()[-1], ("epoch-end", 1, 9))
        self.assertTrue(os.path.exists(os.path.join(self.world.folder, "saved.ckpt")))

    def test_trainer_of_hugging_face_saves_and_leaves_at_the_end_of_an_epoch(self):
        script = """
            import lowtide
            from transformers import Trainer
            def step(number):
                if number == 5: %s
            Trainer(9, 4, [lowtide.TrainerCallback()]).train(step)
        """ % WISH
        self.assertEqual(self.run_fake(script, 75), "saved at epoch 2.0\n")
        self.assertEqual(self.world.ended(), [1, 2])

    def test_trainer_of_hugging_face_heeds_a_signal_within_an_epoch(self):
        script = """
            import lowtide, os, signal
            from transformers import Trainer
            def step(number):
                if number == 5: os.kill(os.getpid(), signal.SIGTERM)
            Trainer(9, 4, [lowtide.TrainerCallback()]).train(step)
        """
        self.assertEqual(self.run_fake(script, 75), "saved at epoch 1.5\n")
        self.assertEqual(self.world.ended(), [1])

    def test_outside_lowtide_they_do_nothing(self):
        script = """
            import lowtide
            from keras.callbacks import Model
            Model().fit(3, [lowtide.KerasCallback()])
        """
        self.world.wish("now")
        done = self.succeeds(self.world.run(script, inside=False, paths=(FAKES,)))
        self.assertEqual((done.stdout, done.stderr, self.world.said()), (b"", b"", []))


class Libraries(Case):
    def run_real(self, script, code):
        self.succeeds(self.world.run(script, HF_HUB_OFFLINE="1", JAX_PLATFORMS="cpu"), code)
        self.assertEqual(self.world.ended(), [1, 2])
        self.assertEqual(self.world.said()[0], ("epoch-start", 1, 4))

    @needs("keras", "jax")
    def test_keras(self):
        script = """
            import os
            os.environ["KERAS_BACKEND"] = "jax"
            import keras, lowtide, numpy
            class Wish(keras.callbacks.Callback):
                def on_epoch_end(self, epoch, logs=None):
                    if epoch == 1: %s
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            x = numpy.ones((8, 2))
            model.fit(x, x.sum(1), epochs=4, verbose=0, callbacks=[Wish(), lowtide.KerasCallback()])
        """ % WISH
        self.run_real(script, 75)

    @needs("lightning", "torch")
    def test_lightning(self):
        script = """
            import lightning, lowtide, torch
            class Module(lightning.LightningModule):
                def __init__(self):
                    super().__init__()
                    self.layer = torch.nn.Linear(2, 1)
                def training_step(self, batch, index):
                    if self.current_epoch == 1: %s
                    return self.layer(batch).sum()
                def configure_optimizers(self):
                    return torch.optim.SGD(self.parameters(), 0.01)
            trainer = lightning.Trainer(max_epochs=4, accelerator="cpu", logger=False, enable_checkpointing=False,
                                        callbacks=[lowtide.LightningCallback(save_to="saved.ckpt")])
            trainer.fit(Module(), torch.utils.data.DataLoader(torch.ones(8, 2)))
        """ % WISH
        self.run_real(script, 75)
        self.assertTrue(os.path.exists(os.path.join(self.world.folder, "saved.ckpt")))

    @needs("transformers", "torch", "accelerate")
    def test_trainer_of_hugging_face(self):
        script = """
            import lowtide, torch, transformers
            class Model(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = torch.nn.Linear(2, 1)
                def forward(self, x=None, labels=None):
                    return {"loss": (self.layer(x).squeeze(-1) - labels).pow(2).mean()}
            class Wish(transformers.TrainerCallback):
                def on_step_end(self, args, state, control, **kwargs):
                    if 1 < state.epoch < 2: %s
            data = [{"x": torch.ones(2), "labels": torch.tensor(1.0)}] * 16
            arguments = transformers.TrainingArguments("out", num_train_epochs=4, per_device_train_batch_size=4,
                                                       report_to=[], use_cpu=True)
            transformers.Trainer(Model(), arguments, train_dataset=data,
                                 callbacks=[Wish(), lowtide.TrainerCallback()]).train()
        """ % WISH
        self.run_real(script, 75)
        self.assertEqual(os.listdir(os.path.join(self.world.folder, "out")), ["checkpoint-8"])


if __name__ == "__main__":
    unittest.main()
