"""The array of pairs, read by tensorstore, which decodes several pairs at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import tensorstore

from xsim.errors import DamageError, InputError
from xsim_datasets.store.folder import is_url
from xsim_datasets.store.schema import FILL_VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PairArray"]


class PairArray:
    """The codes of a store's pairs.

    A copy that is pickled opens the files again where it arrives, and only when it is read.

    Parameters
    ----------
    path : str
        Path or URL of the store.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._array: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_array": None}

    def read(self, index: int | list[int], out: NDArray[np.uint16] | None = None) -> NDArray[np.uint16]:
        """Return one pair, uint16 (2, H, W), or several, (B, 2, H, W), in ``out`` if it is given.

        Raises
        ------
        DamageError
            If a pair is missing or its checksum fails.
        """
        if self._array is None:
            self._array = tensorstore.open(_spec(self._path), open=True, read=True).result()
        pairs = self._array[index]
        # numpy asks for huge pages; memory of tensorstore's own comes in small ones, which cost as much as decoding.
        codes = np.empty(pairs.shape, np.uint16) if out is None else out
        try:
            tensorstore.array(codes).write(pairs).result()
        except ValueError as error:
            raise DamageError(f"{self._path}: sample {index} is damaged: run xsim dataset verify") from error
        if codes.size and codes.max() == FILL_VALUE:
            raise DamageError(f"{self._path}: sample {index} is missing: run xsim dataset verify")
        return codes


def _spec(path: str) -> dict[str, Any]:
    """Return tensorstore's description of the array of pairs."""
    if not is_url(path):
        kvstore: dict[str, Any] = {"driver": "file", "path": f"{Path(path).absolute()}/pairs/"}
    else:
        url = urlsplit(path)
        if url.scheme != "s3":
            raise InputError(f"{path}: pairs are read from folders and s3:// only: copy the store to one of them")
        kvstore = {"driver": "s3", "bucket": url.netloc, "path": f"{url.path.strip('/')}/pairs/"}
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            kvstore |= {"endpoint": endpoint, "aws_region": os.environ.get("AWS_DEFAULT_REGION", "us-east-1")}
    return {"driver": "zarr3", "kvstore": kvstore}
