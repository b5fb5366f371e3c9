"""The wiring: which step follows which, and where each runs. What a step does is in `schwarz.steps`."""
