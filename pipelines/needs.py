"""Which networks a run trains: those that its strategies are made of, and no others."""

from schwarz.config import Config

OF_LOCALS = {"average", "majority", "product", "coarse", "transfer", "composed", "composed_tuned"}
"""`transfer` even where it pretrains networks of its own: `transfer.pretrain` is a parameter of the compiled graph,
which may be unset when it is run."""


class Needs:
    """What the graph of a run holds besides the steps that every run has."""

    def __init__(self, config: Config) -> None:
        wanted = set(config.strategies)
        self.locals = bool(wanted & OF_LOCALS)
        self.coarse = "coarse" in wanted
        self.coherent = "coherent" in wanted
        self.transfer = "transfer" in wanted
        self.tuned = "composed_tuned" in wanted
        self.composed = "composed" in wanted or self.tuned
        self.global_ = "global" in wanted
