"""The widget that restores a layer; napari makes it from the signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import xsim_zoo
from napari_xsim.reader import PATH
from xsim.errors import InputError
from xsim_zoo import RunSettings

if TYPE_CHECKING:
    import napari.layers
    import napari.types

__all__ = ["restore"]


def restore(
    image: napari.layers.Image,
    restorer: Literal["physics-sde", "wiener"] = "physics-sde",
    detectors: Literal["image", "weights"] = "image",
    open_field: float = 0.0,
    samples: int = 0,
) -> list[napari.types.LayerDataTuple]:
    """Restore a layer.

    Parameters
    ----------
    image : napari.layers.Image
        The layer.
    restorer : str
        What restores.
    detectors : str
        "image" estimates blur and noise from the radiograph, "weights" takes the detectors of the weights.
    open_field : float
        Grey level of the open field; 0 takes what the file says, or finds it.
    samples : int
        Posterior samples, 2 or more: then the answer is their mean, and a layer shows their spread. 0 draws none.

    Returns
    -------
    list of (data, attributes, "image")

    Raises
    ------
    XsimError
        If the layer cannot be restored, in one line that says why; napari shows it.
    """
    path = image.metadata.get(PATH)
    settings: dict[str, Any] = {"detectors": detectors, "samples": samples, "open_field": open_field or None}
    if path is None:
        if not open_field:
            raise InputError(f"layer '{image.name}' came from no radiograph: say the grey level of its open field")
        settings["pitch_mm"] = float(image.scale[-1])
    weights = "physics-sde-samples" if samples and restorer == "physics-sde" else None
    loaded = xsim_zoo.load(restorer, weights)
    done = xsim_zoo.restore(loaded, image.data if path is None else path, RunSettings(**settings))
    said = {"verdict": done.consistency.verdict, "notes": list(done.notes)}
    told = {"scale": tuple(image.scale), "metadata": said}
    _show(f"{image.name}: {done.consistency.verdict}")
    restored = done.radiograph()[0].pixels
    layers = [(restored, {"name": f"{image.name} restored", **told}, "image")]
    if done.std is not None:
        layers.append((done.std, {"name": f"{image.name} spread", "colormap": "inferno", **told}, "image"))
    return layers


def _show(text: str) -> None:
    """Say something in napari's window; nothing where napari is not installed."""
    try:
        from napari.utils.notifications import show_info  # noqa: PLC0415  (not needed to restore)
    except ImportError:
        return
    show_info(text)
