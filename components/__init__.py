"""Thin KFP wrappers, one folder per step: each turns artifacts into folders and calls the step in `schwarz.steps`."""

import os
from functools import partial

from kfp import dsl

IMAGE = os.environ.get("SCHWARZ_IMAGE", "schwarz/python-train:latest")
"""The image every step runs in; `make images` builds and tags it. (KFP's local runner wants "python" in its name.)"""

component = partial(dsl.component, base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
"""Lightweight components over our own image: nothing is installed when a pod starts."""
