"""The widget that restores a layer; napari makes it from the signature of `restore`.

magicgui finds types of napari by their whole names in quotes, and others as they are: no annotation here is postponed.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import xsim_zoo
from napari_xsim.reader import PATH
from xsim.errors import InputError
from xsim_zoo import RunSettings

if TYPE_CHECKING:
    import napari.layers
    import napari.qt.threading
    import napari.types

__all__ = ["restore", "restored_layers"]

# Without limits of their own the fields end at 999: less than the open field of any 16-bit radiograph.
OpenField = Annotated[float, {"min": 0.0, "max": 1e9, "step": 1000.0, "label": "open field (0: find it)"}]
Samples = Annotated[int, {"min": 0, "max": 100, "label": "posterior samples"}]


def restore(
    image: "napari.layers.Image",
    restorer: Literal["physics-sde", "wiener"] = "physics-sde",
    detectors: Literal["image", "weights"] = "image",
    open_field: OpenField = 0.0,
    samples: Samples = 0,
) -> "napari.qt.threading.FunctionWorker[list[napari.types.LayerDataTuple]]":
    """Restore a layer on a thread of its own: the window stays alive, and the result is added when it is there.

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
    """
    from napari.qt.threading import create_worker  # noqa: PLC0415  (restored_layers needs no napari)
    from napari.utils.notifications import show_info  # noqa: PLC0415

    def say(layers: list[Any]) -> None:
        show_info(f"{image.name}: {layers[0][1]['metadata']['verdict']}")

    return create_worker(
        restored_layers,
        image,
        restorer,
        detectors,
        open_field,
        samples,
        _progress={"desc": f"restoring {image.name}"},
        _connect={"returned": say},
    )


def restored_layers(
    image: "napari.layers.Image", restorer: str, detectors: str = "image", open_field: float = 0.0, samples: int = 0
) -> "list[napari.types.LayerDataTuple]":
    """Return what `restore` adds to the window: the restored image, and the spread of samples.

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
    restored = done.radiograph()[0].pixels
    layers = [(restored, {"name": f"{image.name} restored", **told}, "image")]
    if done.std is not None:
        layers.append((done.std, {"name": f"{image.name} spread", "colormap": "inferno", **told}, "image"))
    return layers
