"""Grey images as small PNG texts that a document can carry."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xsim_zoo.evaluation.records import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["picture"]


def picture(image: NDArray[np.floating], low: float, high: float) -> Picture:
    """Return an image (H, W) as an 8-bit PNG from ``low`` (black) to ``high`` (white); what lies beyond is clipped."""
    grey = np.clip((np.asarray(image, dtype=np.float64) - low) / (high - low), 0.0, 1.0)
    data = io.BytesIO()
    Image.fromarray(np.round(255 * grey).astype(np.uint8)).save(data, format="PNG", optimize=True)
    return Picture(
        width=image.shape[1],
        height=image.shape[0],
        low=low,
        high=high,
        png_base64=base64.b64encode(data.getvalue()).decode(),
    )
