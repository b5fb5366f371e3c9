"""The models that are served now: files, published versions, or champions, which may change while they are served.

Another champion is loaded and has answered once before any request meets it; requests that were begun are finished by
the one that they began with. One that cannot be loaded leaves the old one serving.
"""

import asyncio
import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schwarz.errors import SchwarzError, WrongInput
from schwarz.publishing import Champion, champion, get, model_key, versions
from schwarz.serving.batching import Batcher
from schwarz.serving.model import Model
from schwarz.serving.refused import Refused
from schwarz.serving.tensors import DATATYPES, OPEN
from schwarz.serving.threads import Threads
from schwarz.storage import NoObject, ObjectDamaged, Store

EVERY_S = 2.0
"""How often the pointer is looked at."""
AGAIN_S = 10.0
"""And how long after something was wrong with it: a model that does not load need not be read every two seconds."""
TRIES = 5
"""Of finding the file that the pointer names: another promotion may come in between."""
LONG = 2000
"""Letters of a refusal, at most: there may be any number of models."""
PUBLISHED = re.compile(r"(?:models:/)?(?P<name>[^/@:]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[1-9]\d*))")
LOG = logging.getLogger("schwarz.serving")


@dataclass(frozen=True)
class Published:
    """A model of a store: one version of it, or whichever is the champion."""

    store: Store
    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str, store: Store) -> "Published | None":
        """`NAME@champion`, `NAME/3`, both also behind `models:/`; None where it is neither."""
        found = PUBLISHED.fullmatch(text)
        if found is None:
            return None
        if found["alias"] not in (None, "champion"):
            raise WrongInput(f"{text}: only the champion is published under a name of its own; or name a version.")
        return cls(store, found["name"], found["version"])

    def there(self) -> Champion:
        """Which version it is now."""
        if self.version is None:
            found = champion(self.store, self.name)
            if found is None:
                raise WrongInput(
                    f"{self.store.uri}: no champion of {self.name!r}. `schwarz promote {self.name}` makes one."
                )
            return found
        about = self.store.find(model_key(self.name, self.version))
        if about is None:
            known = ", ".join(versions(self.store, self.name)) or "none"
            raise WrongInput(
                f"{self.store.uri}: version {self.version} of {self.name!r} is not published. There are: {known}."
            )
        return Champion(self.name, self.version, about.sha256 or "")

    def load(self, wanted: Champion, called: str) -> Model:
        """It, loaded and tried; NoObject where it has gone meanwhile."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "model.onnx"
            try:
                get(self.store, wanted, file)
            except ObjectDamaged as fault:
                raise SchwarzError(f"{str(fault).partition(': ')[0]}: is damaged. {self._again(wanted)}") from None
            try:
                return tried(Model(file, called, wanted.version))
            except WrongInput as fault:
                why = str(fault).replace(str(file), model_key(self.name, wanted.version))
                raise SchwarzError(f"version {wanted.version} cannot be served: {why}") from None

    def newest(self, called: str) -> tuple[Champion, Model]:
        seen = None
        for _ in range(TRIES):
            found = self.there()
            try:
                return found, self.load(found, called)
            except NoObject:
                if found == seen:
                    key = model_key(self.name, found.version)
                    raise SchwarzError(f"{self.store.uri}/{key}: is not there. {self._again(found)}") from None
                seen = found
        raise SchwarzError(f"{self.store.uri}: the champion of {self.name!r} changes faster than it can be read.")

    def _again(self, wanted: Champion) -> str:
        return f"`schwarz promote {self.name}/{wanted.version}` publishes it again."


def tried(model: Model) -> Model:
    """A model that has answered once, so that the first request waits for nothing. One that takes images of any size is
    asked with the smallest, which may be too small for it: that says nothing."""
    inputs = {
        name: np.zeros([1 if size == OPEN else size for size in tensor.shape], DATATYPES[tensor.datatype])
        for name, tensor in model.inputs.items()
    }
    try:
        model.run(inputs, tuple(model.outputs))
    except Refused as fault:
        if not any(OPEN in tensor.shape[1:] for tensor in model.inputs.values()):
            raise WrongInput(f"{fault.message}. Name an ONNX model that computes with what it says it takes.") from None
    return model


class Served:
    """What answers the requests to one name now; `following`: where another champion may appear, and who it is now."""

    def __init__(self, model: Model, threads: Threads, following: tuple[Published, Champion] | None = None) -> None:
        self._threads, self._following = threads, following
        self.followed_at = time.time() if following else None
        """When what the pointer names was served last; None for what is not followed."""
        self.on_call: Callable[[int], object] = lambda images: None
        """Told of every call how many images it has."""
        self.change(model)

    def change(self, model: Model) -> None:
        """From the next request on."""
        self.batcher = Batcher(model, self._threads, self._called)

    def _called(self, images: int) -> None:
        self.on_call(images)

    async def follow(self) -> None:
        """Serve every new champion; for ever. What goes wrong is told once, and tried again."""
        if self._following is None:
            return
        (source, known), told, pause_s = self._following, "", EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = EVERY_S
            try:
                found = await asyncio.to_thread(source.there)
                if found.sha256 == known.sha256 and found.version == known.version:
                    if told:
                        LOG.warning("%s: followed again, from version %s", source.name, known.version)
                    self.followed_at, told = time.time(), ""
                    continue
                model = await asyncio.to_thread(source.load, found, self.batcher.model.name)
            except Exception as fault:  # whatever a store, or a model that is loaded and tried, can do
                if str(fault) != told:
                    LOG.warning("%s: version %s goes on being served: %s", source.name, known.version, fault)
                told = str(fault)
                pause_s = EVERY_S if isinstance(fault, NoObject) else AGAIN_S
                continue
            self.change(model)
            LOG.warning("%s: version %s is served now, after %s", source.name, found.version, known.version)
            self.followed_at, known, told = time.time(), found, ""


class Models:
    """All that is served, by name."""

    def __init__(self, served: Iterable[Served]) -> None:
        self.served = {each.batcher.model.name: each for each in served}

    def first(self) -> Batcher:
        """What answers whoever names none."""
        return next(iter(self.served.values())).batcher

    def named(self, name: str, version: str | None = None) -> Batcher:
        """What computes the model of that name, and of that version where one is named: the same to the end of a
        request, whatever is served meanwhile."""
        if name not in self.served:
            raise Refused(f"no model {name[:80]!r} here: there is {', '.join(map(repr, self.served))}"[:LONG], 404)
        batcher = self.served[name].batcher
        if version not in (None, batcher.model.version):
            raise Refused(f"model {name!r} has no version {version[:80]!r}: there is {batcher.model.version!r}", 404)
        return batcher

    async def follow(self) -> None:
        """Serve every new champion of every name; for ever."""
        await asyncio.gather(*(each.follow() for each in self.served.values()))
