"""A study: presets run over seeds, every pair a cell in a run folder of its own; what they reached, with its spread."""
