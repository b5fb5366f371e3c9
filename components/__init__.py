"""Thin KFP wrappers, one folder per step: each turns artifacts into folders and calls the step in `schwarz.steps`."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask

IMAGE = os.environ.get("SCHWARZ_IMAGE", "schwarz/python-train:latest")
"""The image every step runs in; `make images` builds and tags it. (KFP's local runner wants "python" in its name.)"""

component: Callable[[Callable[..., Any]], Callable[..., PipelineTask]] = partial(
    dsl.component, base_image=IMAGE, packages_to_install=[], install_kfp_package=False
)
"""Lightweight components over our own image: nothing is installed when a pod starts."""
