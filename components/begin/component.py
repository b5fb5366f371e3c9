"""Say what is about to run."""

from kfp.dsl import Artifact, Output

from components import component


@component
def begin(
    preset: str, uid: str, seed: int, strategies: str, data: str, partition: str, augment: str, network: str,
    local: str, coarse: str, coherent: str, transfer: str, composition: str, global_network: str, tune: str,
    export: str, register: str, begun: Output[Artifact],
):  # fmt: skip
    import json
    from pathlib import Path

    from schwarz.steps.begin import begin

    sections = {
        "data": data, "partition": partition, "augment": augment, "network": network, "local": local, "coarse": coarse,
        "coherent": coherent, "transfer": transfer, "compose": composition, "global": global_network, "tune": tune,
        "export": export, "register": register,
    }  # fmt: skip
    config = {"preset": preset, "seed": seed, "strategies": json.loads(strategies)}
    config |= {name: json.loads(section) for name, section in sections.items()}
    begin(config=json.dumps(config), uid=uid, out=Path(begun.path))
