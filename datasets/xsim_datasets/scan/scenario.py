"""Scenarios of CTSimU read as scans: poses, beam, detector pixels and meshes; what xsim cannot follow is refused.

Read are cone beams, stages that turn step by step, centres that drift, meshes on the stage. Deviations, drifting axes,
parallel beams and spectra in files are refused by name: a scan that looks right and is not would be worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, UnknownNameError, check_range
from xsim.files.documents import read_json
from xsim.imaging.geometry import FocalSpotShape
from xsim.imaging.trajectory import MOST_VIEWS
from xsim.materials import material
from xsim.phantoms.mesh import Mesh, MeshPart, read_mesh
from xsim.phantoms.pose import Pose, rotation
from xsim.phantoms.subjects import MeshSubject

__all__ = ["Scenario", "read_scenario"]

_UNITS = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "nm": 1e-6, "cm": 10.0, "dm": 100.0, "m": 1e3}
_ANGLES = {"deg": 1.0, "rad": 180.0 / math.pi}
_VOLTS = {"kV": 1.0, "V": 1e-3, "MV": 1e3}
# Full width at half maximum of a Gaussian in standard deviations, and from a density to another that counts as one.
_FWHM = 2.354820045
_SAME_DENSITY = 0.01


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a scenario says.

    Parameters
    ----------
    name : str
        Its name.
    poses : tuple of Pose
        The views, in the frame of the stage at angle 0.
    angles_deg : tuple of float
        Angle of the stage in each view [deg].
    shape : (H, W)
        Pixels of a view.
    pitch_mm : float
        Pixel pitch [mm].
    kvp : float
        Tube voltage [kV].
    tube : dict
        Anode angle, target and its thickness as `xsim.spectrum.tungsten_spectrum` takes them, where they are said.
    filters : tuple of (material, thickness_mm)
        Windows and filters of the tube and before the detector.
    focal_spot_mm : float
        Size of the focal spot [mm], and whether it is a Gaussian's full width at half maximum or a square's side.
    focal_spot_shape : {"gaussian", "square"}
        Its shape.
    frames : int
        Frames averaged in a view.
    subject : MeshSubject
        The samples.
    remarks : tuple of str
        What was taken otherwise than it is written.
    """

    name: str
    poses: tuple[Pose, ...]
    angles_deg: tuple[float, ...]
    shape: tuple[int, int]
    pitch_mm: float
    kvp: float
    tube: dict[str, Any]
    filters: tuple[tuple[str, float], ...]
    focal_spot_mm: float
    focal_spot_shape: FocalSpotShape
    frames: int
    subject: MeshSubject
    remarks: tuple[str, ...] = ()


def read_scenario(path: Path) -> Scenario:
    """Read a CTSimU scenario with the meshes that it names, relative to its own folder.

    Raises
    ------
    MissingFileError
        If it, or a mesh, does not exist.
    InputError
        If it is no scenario, or one that xsim cannot follow, naming what.
    """
    try:
        document = read_json(path)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is no JSON file: {' '.join(str(error).split())[:200]}") from None
    kind = document.get("file", {}).get("file_type") if isinstance(document, dict) else None
    if kind != "CTSimU Scenario":
        raise InputError(f"{path}: is no CTSimU scenario (file_type is {kind!r}): give one")
    try:
        return _Reader(path, document).scenario()
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path}: a part of the scenario is missing or of another kind ({error}): see CTSimU"
        ) from None


class _Reader:
    """Reads one document; the methods follow its sections."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path, self.document = path, document
        self.remarks: list[str] = []
        acquisition = document["acquisition"]
        self.views = int(check_range("number_of_projections", acquisition["number_of_projections"], 1, MOST_VIEWS))
        if acquisition.get("scan_mode", "stop+go") != "stop+go":
            raise InputError("scan_mode is continuous: xsim takes views at rest: give stop+go")

    def scenario(self) -> Scenario:
        """Return the scan, lengths in mm and angles in degrees, with remarks on what is read otherwise."""
        detector, source = self.document["detector"], self.document["source"]
        spot_mm, shape = self.spot(source["spot"])
        u, v = (self.number(detector["pixel_pitch"][name], _UNITS) for name in "uv")
        if not math.isclose(u, v, rel_tol=1e-6):
            raise InputError(f"pixels of {u:g} x {v:g} mm: xsim's are square")
        if (source.get("spectrum") or {}).get("monochromatic"):
            raise InputError("the spectrum is monochromatic: xsim's are those of tubes")
        if ((source.get("spectrum") or {}).get("file") or {}).get("value"):
            self.remarks.append("the spectrum's file is not read: the beam is made from voltage, windows and filters")
        if self.document["acquisition"].get("scattering"):
            self.remarks.append("scattering is as the recipe has it: give --scatter or [imaging.scatter]")
        rows, columns = (int(check_range(n, self.number(detector[n], {}), 1, 20_000)) for n in ("rows", "columns"))
        angles = self.angles()
        return Scenario(
            name=str(self.document["file"].get("name") or self.path.stem),
            poses=self.poses(angles),
            angles_deg=tuple(angles),
            shape=(rows, columns),
            pitch_mm=u,
            kvp=self.number(source["voltage"], _VOLTS),
            tube=self.tube(source.get("target") or {}),
            filters=self.filters(source, detector),
            focal_spot_mm=spot_mm,
            focal_spot_shape=shape,
            frames=max(1, int(self.document["acquisition"].get("frame_average") or 1)),
            subject=self.subject(),
            remarks=tuple(dict.fromkeys(self.remarks)),
        )

    def angles(self) -> list[float]:
        """Return the angle of each view [deg], counter-clockwise."""
        acquisition = self.document["acquisition"]
        start, stop = (self.number(acquisition[name], _ANGLES) for name in ("start_angle", "stop_angle"))
        steps = self.views - 1 if acquisition.get("include_final_angle") else self.views
        sign = -1.0 if acquisition.get("direction", "CCW") == "CW" else 1.0
        return [sign * (start + (stop - start) * k / max(steps, 1)) for k in range(self.views)]

    def poses(self, angles: Sequence[float]) -> tuple[Pose, ...]:
        """Return tube and detector at each angle [deg], in the frame of the object at rest [mm]."""
        geometry = self.document["geometry"]
        if geometry["source"].get("type", "cone") != "cone":
            raise InputError("the source is parallel: xsim's beams come from a point: give a cone far away")
        axes = {name: self.axes(name, geometry[name]) for name in ("source", "detector", "stage")}
        centres = {name: self.centres(geometry[name]["center"]) for name in axes}
        poses = []
        for k, angle in enumerate(angles):
            # Rows of the matrix are the stage's axes: it takes the world to the stage at angle 0, turned back.
            to_stage = rotation((0.0, 0.0, 1.0), angle).T @ axes["stage"]
            at = centres["stage"][k]
            source, detector = (tuple((to_stage @ (centres[n][k] - at)).tolist()) for n in ("source", "detector"))
            u, v = (tuple((to_stage @ row).tolist()) for row in axes["detector"][:2])
            poses.append(Pose(source, detector, u, v))
        return tuple(poses)

    def axes(self, name: str, part: dict[str, Any]) -> NDArray[np.float64]:
        """Return the unit vectors u, v, w of a part as rows."""
        if part.get("deviations"):
            raise InputError(f"the {name} deviates from its place: xsim reads ideal places: take the deviations out")
        u, w = (self.fixed(part[key], "xyz", f"{name} {key}") for key in ("vector_u", "vector_w"))
        return _right_handed(u, w, name)

    def fixed(self, vector: dict[str, Any], axes: str, what: str) -> NDArray[np.float64]:
        if any(self.drifts(vector[name]) for name in axes):
            raise InputError(f"{what} drifts: xsim follows centres that drift, axes rest")
        return np.array([float(vector[name]["value"]) for name in axes])

    def centres(self, centre: dict[str, Any]) -> NDArray[np.float64]:
        """Return a centre in each view, (views, 3) [mm]."""
        found = np.zeros((self.views, 3))
        for k, name in enumerate("xyz"):
            found[:, k] = self.number(centre[name], _UNITS, drifting=True)
            for drift in self.drifts(centre[name]):
                way = np.atleast_1d(np.asarray(drift["value"], dtype=float)) * _unit(drift.get("unit", "mm"), _UNITS)
                if len(way) not in {1, self.views}:
                    raise InputError(
                        f"a drift of {len(way)} values over {self.views} views: give one value, or one for each view"
                    )
                found[:, k] += way
        return found

    @staticmethod
    def drifts(value: dict[str, Any]) -> list[dict[str, Any]]:
        found = value.get("drifts") or value.get("drift") or []
        return [found] if isinstance(found, dict) else list(found)

    def number(self, value: dict[str, Any], units: dict[str, float], *, drifting: bool = False) -> float:
        """Return a quantity in the unit of a table of units (none: as it is written)."""
        if not drifting and self.drifts(value):
            raise InputError(f"{value.get('value')} {value.get('unit', '')} drifts: xsim follows drifting centres only")
        content = value["value"]
        if isinstance(content, bool) or not isinstance(content, int | float) or not math.isfinite(content):
            raise InputError(f"{content!r} stands where a number is wanted")
        return float(content) * (_unit(str(value.get("unit", next(iter(units)))), units) if units else 1.0)

    def spot(self, spot: dict[str, Any]) -> tuple[float, FocalSpotShape]:
        """Return size [mm] and shape of the focal spot: the full width at half maximum of a Gaussian, or a side."""

        def largest(name: str) -> float:
            table = spot.get(name) or {}
            values = [table[axis] for axis in "uv" if (table.get(axis) or {}).get("value")]
            return max((self.number(value, _UNITS) for value in values), default=0.0)

        if sigma := largest("sigma"):
            return _FWHM * sigma, "gaussian"
        return largest("size"), "square"

    def tube(self, target: dict[str, Any]) -> dict[str, Any]:
        """Return what is said of the target; where xsim has no such tube, `tungsten_spectrum` refuses it."""
        found: dict[str, Any] = {}
        if target.get("material_id"):
            found["target"] = self.material(target["material_id"])
        if target.get("type") == "transmission":
            found["transmission_um"] = 1e3 * self.number(target["thickness"], _UNITS)
            return found
        emission = (target.get("angle") or {}).get("emission") or {}
        if emission.get("value") is not None:
            found["anode_angle_deg"] = self.number(emission, _ANGLES)
        return found

    def filters(self, source: dict[str, Any], detector: dict[str, Any]) -> tuple[tuple[str, float], ...]:
        """Return materials and thicknesses [mm] of all that the beam passes but the object, vacuum left out."""
        spectrum = source.get("spectrum") or {}
        sheets = [*_list(source, "window"), *_list(source, "filters"), *_list(spectrum, "window")]
        sheets += _list(spectrum, "filters")
        for name in ("window", "filters"):
            sheets += _list(detector.get(name) or {}, "front")
        found = []
        for sheet in sheets:
            thickness = self.number(sheet["thickness"], _UNITS)
            if thickness > 0.0 and not self.is_vacuum(sheet["material_id"]):
                found.append((self.material(sheet["material_id"]), thickness))
        return tuple(found)

    def entry(self, key: str) -> dict[str, Any]:
        """Return what the scenario says of a material; nothing if it does not list it."""
        entries: dict[str, dict[str, Any]] = {item["id"]: item for item in self.document.get("materials", [])}
        return entries.get(key, {})

    def is_vacuum(self, key: str) -> bool:
        """Return whether a material has no density."""
        return (self.entry(key).get("density") or {}).get("value") == 0

    def material(self, key: str) -> str:
        """Return xsim's name of a material of the scenario."""
        entry = self.entry(key)
        if not entry:
            raise InputError(f"material {key!r} is not among the scenario's materials: add it")
        if self.is_vacuum(key):
            raise InputError(f"material {key!r} has no density: give one that attenuates")
        composition = entry.get("composition") or []
        if isinstance(composition, dict | str):
            composition = [{"formula": composition}]
        formulas = [((item.get("formula") or {}).get("value")) for item in composition if isinstance(item, dict)]
        candidates = [*(formulas if len(formulas) == 1 else []), key, entry.get("name")]
        for name in candidates:
            try:
                found = material(str(name))
            except UnknownNameError:
                continue
            density = (entry.get("density") or {}).get("value")
            if density and abs(density / found.density_g_cm3 - 1.0) > _SAME_DENSITY:
                self.remarks.append(f"{key} has {found.density_g_cm3:g} g/cm3 in xsim, {density:g} in the scenario")
            return found.name
        raise InputError(f"material {key!r}: xsim knows neither its name nor its formula: see xsim.materials")

    def subject(self) -> MeshSubject:
        """Return all samples as one object of closed meshes [mm], and the material of each part."""
        parts: list[MeshPart] = []
        table: dict[str, str] = {}
        for number, sample in enumerate(self.document.get("samples") or [], start=1):
            name = f"{number}-{sample.get('name') or 'sample'}"
            for part in self.sample(sample):
                key = name if not parts or part.name == "1" else f"{name}-{part.name}"
                parts.append(MeshPart(key, part.triangles))
                table[key] = self.material(sample["material_id"])
        if not parts:
            raise InputError("the scenario has no sample: give one with a mesh")
        return MeshSubject(Mesh(self.path.stem, tuple(parts)), table)

    def sample(self, sample: dict[str, Any]) -> list[MeshPart]:
        """Return the parts of a sample in the stage's frame."""
        position = sample["position"]
        if position.get("deviations"):
            raise InputError("a sample deviates from its place: xsim reads ideal places: take the deviations out")
        if "u" not in position["center"]:
            raise InputError("a sample rests in the world: xsim's stand on the stage: give its place in u, v, w")
        file = sample["file"]["value"] if isinstance(sample["file"], dict) else sample["file"]
        mesh = read_mesh(self.path.parent / str(file), scale=_unit(str(sample.get("unit", "mm")), _UNITS))
        scale = sample.get("scaling_factor") or {}
        factors = np.array([float((scale.get(name) or {}).get("value", 1.0)) for name in "rst"])
        r, t = (self.fixed(position[key], "uvw", f"sample {key}") for key in ("vector_r", "vector_t"))
        axes = _right_handed(r, t, "sample")
        at = np.array([self.number(position["center"][name], _UNITS) for name in "uvw"])
        low, high = mesh.bounds_mm
        middle = 0.5 * (low + high)
        return [MeshPart(part.name, ((part.triangles - middle) * factors) @ axes + at) for part in mesh.parts]


def _right_handed(first: NDArray[np.float64], third: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    """Return the unit vectors of a frame, as rows, from its first and third."""
    lengths = np.linalg.norm(first), np.linalg.norm(third)
    if not min(lengths) > 0.0 or abs(first @ third) > 1e-6 * lengths[0] * lengths[1]:
        raise InputError(f"the axes of the {what} are no right angle: give orthogonal vectors")
    first, third = first / lengths[0], third / lengths[1]
    return np.array([first, np.cross(third, first), third])


def _unit(name: str, units: dict[str, float]) -> float:
    if name not in units:
        raise InputError(f"unit {name!r}: give one of {', '.join(units)}")
    return units[name]


def _list(table: dict[str, Any], key: str) -> list[Any]:
    return list(table.get(key) or [])
