"""The named sizes of the U-Net; read by settings, which torch is not imported for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SIZES", "UNetSize"]


@dataclass(frozen=True)
class UNetSize:
    """Width of the first level (it doubles at each of the next two) and residual blocks of each level."""

    channels: int
    blocks: tuple[int, int, int]


SIZES: dict[str, UNetSize] = {
    "tiny": UNetSize(24, (1, 1, 2)),  # 0.5 M
    "small": UNetSize(32, (2, 2, 3)),  # 1.5 M
    "base": UNetSize(64, (2, 2, 4)),  # 6.5 M
    "large": UNetSize(128, (2, 3, 5)),  # 33 M
}
"""Name -> size; a script may add one of its own."""
