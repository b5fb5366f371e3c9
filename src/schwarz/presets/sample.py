"""Runs on the sample that comes with the checkout."""

from schwarz.config import Coarse, Config, Data, Local, Network, PartitionConfig, Training, Transfer, Tune
from schwarz.presets.entry import Preset


def quickstart() -> Config:
    """Every strategy in about ten CPU-minutes."""
    return Config(
        preset="quickstart",
        data=Data(name="sample", pad=2, validation=0.15),
        partition=PartitionConfig(grid=(2, 2)),
        network=Network(family="vgg9", width=16),
        local=Local(epochs=4, batch=64, lr=4e-3),
        coarse=Coarse(epochs=15, batch=32, lr=1e-3, hidden=(128,) * 4),
        coherent=Training(epochs=5, batch=64, lr=4e-3),
        transfer=Transfer(epochs=2, batch=64, lr=1e-3, coarse="trained"),
        global_=Training(epochs=7, batch=64, lr=2e-3),
        tune=Tune(epochs=3, batch=64, lr=3e-3),
    )


def tiny() -> Config:
    """The quickstart with few images and one epoch each."""
    once = Training(epochs=1, batch=32)
    return Config(
        preset="tiny",
        data=Data(name="sample", pad=2, limit=600),
        partition=PartitionConfig(grid=(2, 2)),
        network=Network(family="vgg9", width=8, dense=32),
        local=Local(epochs=1, batch=32),
        coarse=Coarse(epochs=2, hidden=(16, 16, 16, 16)),
        coherent=once,
        transfer=Transfer(epochs=1, batch=32),
        global_=once,
        tune=Tune(epochs=1, batch=32),
    )


GROUP = "the sample, 12,000 images of Fashion-MNIST"
PRESETS = (
    Preset("quickstart", "sample", GROUP, "VGG9, 2x2: every strategy, on a laptop", quickstart),
    Preset("tiny", "sample", GROUP, "every step in seconds, on 600 images; accuracy of no meaning", tiny),
)
