"""Cut the images into boxes."""

from kfp.dsl import Dataset, Input, Output

from components import component


@component
def split(seed: int, data: str, partition: str, augment: str, images: Input[Dataset], shards: Output[Dataset]):
    from pathlib import Path

    from schwarz.steps.split import split

    given = {"seed": seed, "data": data, "partition": partition, "augment": augment}
    split(**given, images=Path(images.path), out=Path(shards.path))
