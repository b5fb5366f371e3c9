"""Randomness as a function of names: the same seed and words give the same numbers, in any process and any order."""

import hashlib


def derive(seed: int, *words: str | int) -> int:
    """A 63-bit seed for the thing the words name, e.g. derive(seed, "order", epoch)."""
    text = "/".join(str(part) for part in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
