"""Make one global network of the trained local ones (document 3, section 2.2)."""

from pathlib import Path

from schwarz.blueprint import blueprint_of, load_fleet, save
from schwarz.composition import compose as compose_network
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_local import fleet


@step("compose")
def compose(*, locals_: list[Path], out: Path) -> Metrics:
    """Writes the composed network, untrained."""
    boxes = fleet(locals_)
    blueprint = blueprint_of(boxes[0])
    network = compose_network(blueprint.global_network(0), load_fleet(boxes), blueprint.partition)
    save(out, network, blueprint, role="composed")
    return {"local_networks": float(len(boxes))}
