"""What Keras 3 gives a callback: `params` and `model`, set by the training."""


class Callback:
    def __init__(self):
        self.params = None
        self.model = None

    def set_params(self, params):
        self.params = params

    def set_model(self, model):
        self.model = model


class Model:
    """Calls callbacks in the order of `keras.Model.fit`."""

    stop_training = False

    def fit(self, epochs, callbacks, initial_epoch=0):
        for callback in callbacks:
            callback.set_params({"verbose": 0, "epochs": epochs, "steps": 1})
            callback.set_model(self)
        for callback in callbacks:
            callback.on_train_begin(None)
        for epoch in range(initial_epoch, epochs):
            for callback in callbacks:
                callback.on_epoch_begin(epoch)
            for callback in callbacks:
                callback.on_epoch_end(epoch, {})
            if self.stop_training:
                break
        for callback in callbacks:
            callback.on_train_end(logs={})
