"""How sure an accuracy is."""

from math import sqrt

Z95 = 1.959963984540054


def wilson(correct: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share: right for small n and near 0 and 1, where the normal one is not."""
    share, spread = correct / n, Z95**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z95 * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return centre - half, centre + half
