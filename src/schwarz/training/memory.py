"""Memory that a step of training frees is wanted again by the next one."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 2**30


def keep_freed_memory() -> None:
    """Have this process keep what it frees, instead of giving it back to the system and taking it anew, page by page,
    for the next step. glibc alone can be asked so; elsewhere nothing happens."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
