"""A strong modern recipe beside the paper-like ones: a baseline that is no straw man, by the standards of today.

AdamW with decoupled weight decay, a cosine to zero, flips and shifts of an eighth, every strategy 200 epochs in all.
Document 3's own schedule is known to bring a ResNet20 of standard width, 16 channels, to about 92% on CIFAR-10: more
than the 86.22% that document 1 prints for its global ResNet20.
"""

from functools import partial

from schwarz.config import Augment, Coarse, Config, Data, Local, Network, PartitionConfig, Training, Transfer, Tune
from schwarz.presets.entry import Preset

GROUP = "strong recipes"


def strong(name: str, data: str, network: Network, shift: int, overlap: int, batch: int = 128) -> Config:
    """Every strategy; 2x2 boxes with overlap, which document 3 found to be the better ones."""
    recipe = {"batch": batch, "weight_decay": 0.05}
    return Config(
        preset=name,
        data=Data(name=data),
        augment=Augment(flip=True, shift=shift),
        partition=PartitionConfig(grid=(2, 2), overlap=overlap),
        network=network,
        local=Local.model_validate({"epochs": 120, "lr": 4e-3, **recipe}),
        coarse=Coarse(epochs=15, steps=150, batch=64, lr=1e-3, hidden=(128,) * 4),
        coherent=Training.model_validate({"epochs": 200, "lr": 4e-3, **recipe}),
        transfer=Transfer.model_validate({"epochs": 80, "lr": 1e-3, "coarse": "trained", **recipe}),
        global_=Training.model_validate({"epochs": 200, "lr": 2e-3, **recipe}),
        tune=Tune.model_validate({"epochs": 80, "lr": 2e-3, **recipe}),
    )


def _strong(data: str, network: Network, summary: str, shift: int = 4, overlap: int = 4, batch: int = 128) -> Preset:
    name = f"{data}-{network.family}-strong"
    return Preset(name, data, GROUP, summary, partial(strong, name, data, network, shift, overlap, batch))


PRESETS = (
    _strong("cifar10", Network(family="vgg9", width=16), "VGG9 of 16 channels, as cifar10-vgg9-2x2"),
    _strong("cifar10", Network(family="resnet20", width=16), "ResNet20 of standard width"),
    _strong("cifar10", Network(family="resnet32", width=64), "ResNet32 as wide as document 3's"),
    _strong("cifar100", Network(family="resnet32", width=64), "ResNet32 as wide as document 3's"),
    _strong("flowers", Network(family="resnet20", width=64), "ResNet20", shift=22, overlap=22, batch=32),
)
