"""What documents 1 and 2 leave open, decided once: their presets are like the papers, not a reproduction.

Document 1 says Adam, cross-entropy, a coarse net of four hidden layers, and 150 epochs of the local networks before
transfer. No document gives widths of VGG9, batch sizes, learning rates or other epochs: these are ours. Strategies
that are trained to the end have the same number of epochs in all, as in document 3: 150 and 50, or 200. What only
combines the local networks, and `composed`, has their 150. A coarse net has 2,250 steps, however few images it learns
from.
"""

from typing import Literal

from schwarz.config import Coarse, Config, Data, Local, Network, PartitionConfig, Training, Transfer, Tune

LOCAL, MORE = 150, 50
"""Epochs of the local networks; of what goes on from them."""


def paper_like(
    name: str,
    data: str,
    partition: PartitionConfig,
    network: Network,
    batch: int = 64,
    lr: float = 2e-3,
    epochs: tuple[int, int] = (LOCAL, MORE),
    answers: Literal["holdout", "out-of-fold"] = "holdout",
) -> Config:
    """Every strategy, in the manner of document 1; `lr` is the global network's, small networks take twice as much.
    `answers`: what the coarse net learns from."""
    local, more = epochs
    whole = local + more
    return Config(
        preset=name,
        data=Data(name=data),
        partition=partition,
        network=network,
        local=Local(epochs=local, batch=batch, lr=2 * lr),
        coarse=Coarse(epochs=15, steps=150, batch=min(batch, 64), lr=1e-3, hidden=(128,) * 4, source=answers),
        coherent=Training(epochs=whole, batch=batch, lr=2 * lr),
        transfer=Transfer(epochs=more, batch=batch, lr=lr / 2),
        global_=Training(epochs=whole, batch=batch, lr=lr),
        tune=Tune(epochs=more, batch=batch, lr=1.5 * lr),
    )
