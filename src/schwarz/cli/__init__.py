"""The command line. `schwarz.cli:main` is the console script; everything heavy is imported inside the commands."""

from schwarz.cli.entry import main

__all__ = ["main"]
