"""Document 1, Tables 1 and 2: the networks and partitions are the document's, the settings are ours.

It says Adam, cross-entropy, a coarse net of four hidden layers, and 150 epochs of local networks before transfer. It
gives no widths, batch sizes, learning rates or other epochs: these presets are like the paper, not a reproduction.
"""

from schwarz.config import Coarse, Config, Data, Local, Network, PartitionConfig, Training, Transfer


def cifar10_vgg9_2x2() -> Config:
    """CIFAR-10, VGG9, 2x2 boxes: document 1, Tables 1 and 2; each strategy in about 8 CPU-minutes."""
    return Config(
        preset="cifar10-vgg9-2x2",
        data=Data(name="cifar10"),
        partition=PartitionConfig(grid=(2, 2)),
        network=Network(family="vgg9", width=16),
        local=Local(epochs=12, batch=64, lr=4e-3),
        coarse=Coarse(epochs=15, batch=64, lr=1e-3, hidden=(128,) * 4),
        coherent=Training(epochs=18, batch=64, lr=4e-3),
        transfer=Transfer(epochs=7, batch=64, lr=1e-3),
        global_=Training(epochs=9, batch=64, lr=2e-3),
        tune=Training(epochs=4, batch=64, lr=3e-3),
    )
