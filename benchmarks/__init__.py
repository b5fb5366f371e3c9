"""Measurements behind every figure in the documentation: each prints `name figure spread target ok|short`."""
