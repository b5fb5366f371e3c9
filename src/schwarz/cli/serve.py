"""`serve`: answer requests with an exported model."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.grammar import Command
from schwarz.errors import WrongInput, nearest_path

if TYPE_CHECKING:
    from schwarz.serving.following import Published

AWAY_S = 5.0
"""How long a store is waited for: who follows the champion looks again anyway, and who is to stop does not wait."""


@click.command(
    cls=Command,
    examples=("schwarz serve runs/tiny/1/model/coarse.onnx", "schwarz serve tiny@champion --port 0"),
)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--name", metavar="N", help="what one model is called in addresses; unset: its name, the file's stem")
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on; 0.0.0.0 for all")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: a free one")
@click.option("--grpc-port", type=click.IntRange(0, 65535), metavar="P", help="answer gRPC too, there; 0: a free one")
def serve(models: tuple[str, ...], name: str | None, host: str, port: int, grpc_port: int | None) -> None:
    """Serve models by the Open Inference Protocol, over HTTP and, if wished, gRPC.

    MODEL is an ONNX file; or what `schwarz promote` has published: NAME@champion, which is followed when it changes, or
    NAME/VERSION. It answers until Ctrl-C or SIGTERM, and finishes what was begun.
    """
    from schwarz.config import NAME

    if name and len(models) > 1:
        raise WrongInput(f"--name {name!r}: names one model, here are {len(models)}. Leave it out, or name one model.")
    sources: dict[str, Path | Published] = {}
    for model in models:
        source = _source(model)
        called = name or (source.stem if isinstance(source, Path) else source.name)
        if not re.match(NAME, called):
            raise WrongInput(f"--name {called!r}: letters, digits and ._- alone, beginning with a letter or digit.")
        if called in sources:
            raise WrongInput(f"{model}: another one is called {called!r} already. Serve it by itself, with `--name`.")
        sources[called] = source
    from schwarz.serving.server import serve as run

    run(sources, host, port, grpc_port)


def _source(model: str) -> "Path | Published":
    """The file that is meant, or the published model."""
    path = Path(model).expanduser()
    if path.is_dir():
        raise WrongInput(f"{model}: is a folder. Name an ONNX file in it.")
    if path.exists() or path.suffix == ".onnx":
        if not path.exists():
            raise WrongInput(f"{model}: no such file.{nearest_path(path)}")
        return path
    from schwarz.cli.models import store
    from schwarz.serving.following import Published
    from schwarz.storage import Patience, open_store

    found = Published.parse(model, open_store(store(), Patience(AWAY_S, AWAY_S)))
    if found is None:
        raise WrongInput(
            f"{model}: no such file, and no published model: these are named NAME@champion or NAME/VERSION."
            f"{nearest_path(path)}"
        )
    return found
