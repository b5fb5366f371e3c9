"""One self-contained HTML page about one run, from its results.json and a few images alone."""

from schwarz.report.document import page

__all__ = ["page"]
