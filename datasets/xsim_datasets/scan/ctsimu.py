"""Scans as scenarios of CTSimU: the JSON that describes a CT scan to simulators and reconstruction programs.

Format: CTSimU scenario description, version 1.2 (https://bamresearch.github.io/ctsimu-scenarios). Its world is here the
frame in which the first view of a course is told, its stage turns the object about the course's axis; where tube and
detector move instead, the way of each view stands as a drift of their centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xsim.detector.performance import basic_spatial_resolution_mm
from xsim.imaging.setup import PairSetup
from xsim.imaging.trajectory import AXES, Trajectory
from xsim.materials import material
from xsim.phantoms.pose import Pose, rotation
from xsim.units import mm_from_um

__all__ = ["scenario_document"]

# The open field of the stacks, and the most that 16 bits hold.
_MOST = 65535


def scenario_document(
    trajectory: Trajectory,
    poses: Sequence[Pose],
    setup: PairSetup,
    shape: tuple[int, int],
    *,
    name: str,
    open_field: int,
    sample: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Return a scan as a CTSimU scenario.

    Parameters
    ----------
    trajectory : Trajectory
        The course.
    poses : sequence of Pose
        Its views, in the object's frame.
    setup : PairSetup
        Beam, detectors, focal spot; the detector of the scenario is the LR one.
    shape : (H, W)
        Pixels of a view.
    name : str
        What the scan is called.
    open_field : int
        Grey level of the open field.
    sample : (file, material), optional
        Mesh file [mm] and material of the object; a board has none, and the scenario then no sample.
    """
    rotates = trajectory.course in AXES
    axis = AXES.get(trajectory.course, (0.0, 0.0, 1.0))
    # In the world the stage turns, and tube and detector rest where they are at angle 0.
    world = [poses[0].turned(rotation(axis, -trajectory.start_deg))] if rotates else list(poses)
    stop = trajectory.start_deg + trajectory.arc_deg if rotates else trajectory.start_deg
    used = {setup.spectrum.target, setup.lr.screen.phosphor, *(sheet for sheet, _ in setup.spectrum.filters)}
    used |= {sample[1]} if sample else set()
    return {
        "file": _file(name),
        "environment": {"material_id": "Vacuum", "temperature": _value(20.0, "C")},
        "geometry": {
            "detector": _part([pose.detector_mm for pose in world], world[0].u, _normal(world[0])),
            "source": {
                "type": "cone",
                "beam_divergence": {"u": _value(0.0, "deg"), "v": _value(0.0, "deg")},
                **_part([pose.source_mm for pose in world], world[0].u, _normal(world[0])),
            },
            "stage": _part([(0.0, 0.0, 0.0)], (1.0, 0.0, 0.0), axis),
        },
        "detector": _detector(setup, shape, open_field),
        "source": _source(setup),
        "samples": [_sample(*sample, axis)] if sample else [],
        "acquisition": {
            "start_angle": _value(trajectory.start_deg if rotates else 0.0, "deg"),
            "stop_angle": _value(stop if rotates else 0.0, "deg"),
            "direction": "CCW",
            "scan_mode": "stop+go",
            "scan_speed": None,
            "number_of_projections": len(poses),
            "include_final_angle": not trajectory.is_closed,
            "frame_average": setup.lr_frames,
            "dark_field": {"number": 0, "frame_average": 1, "ideal": True, "correction": True},
            "flat_field": {"number": 0, "frame_average": 1, "ideal": True, "correction": True},
            "pixel_binning": {"u": 1, "v": 1},
            "scattering": setup.scatter.by_material or setup.scatter.ratio_per_depth > 0,
        },
        "materials": [_vacuum(), *(_material(used_name) for used_name in sorted(used))],
        "simulation": None,
    }


def _value(value: float | str | None, unit: str = "") -> dict[str, Any]:
    return {"value": value, "unit": unit} if unit else {"value": value}


def _vector(numbers: Sequence[float], axes: str) -> dict[str, Any]:
    return {name: _value(float(number)) for name, number in zip(axes, numbers, strict=True)}


def _normal(pose: Pose) -> tuple[float, float, float]:
    x, y, z = np.cross(pose.u, pose.v).tolist()
    return x, y, z


def _part(centres: Sequence[Sequence[float]], u: Sequence[float], w: Sequence[float]) -> dict[str, Any]:
    """Return where a part stands; from the second view on its way from the first is a drift."""
    table = np.array(centres, dtype=float)
    way = table - table[0]
    centre: dict[str, Any] = {}
    for k, name in enumerate("xyz"):
        centre[name] = _value(float(table[0, k]), "mm")
        if np.abs(way[:, k]).max() > 1e-9:
            drift = {"value": way[:, k].tolist(), "unit": "mm", "known_to_reconstruction": True}
            centre[name]["drifts"] = [drift]
    return {"center": centre, "vector_u": _vector(u, "xyz"), "vector_w": _vector(w, "xyz"), "deviations": []}


def _file(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "A scan that xsim simulated",
        "contact": "",
        "date_created": "",
        "date_changed": "",
        "version": {"major": 1, "minor": 0},
        "file_type": "CTSimU Scenario",
        "file_format_version": {"major": 1, "minor": 2},
    }


def _detector(setup: PairSetup, shape: tuple[int, int], open_field: int) -> dict[str, Any]:
    screen, response = setup.lr.screen, setup.lr_response
    no_file = {"value": None}
    return {
        "model": "",
        "manufacturer": "",
        "type": "real",
        "columns": _value(shape[1], "px"),
        "rows": _value(shape[0], "px"),
        "pixel_pitch": {"u": _value(setup.pitch_mm, "mm"), "v": _value(setup.pitch_mm, "mm")},
        "bit_depth": _value(16),
        "integration_time": _value(1.0, "s"),
        "dead_time": _value(0.0, "s"),
        "image_lag": _value(0.0),
        "gray_value": {
            "imax": _value(open_field),
            "imin": _value(0),
            "factor": _value(None, "1/J"),
            "offset": _value(None),
            "intensity_characteristics_file": no_file,
            "efficiency_characteristics_file": no_file,
        },
        "noise": {"snr_at_imax": _value(1.0 / response.pixel_sigma), "noise_characteristics_file": no_file},
        "gain": _value(None),
        "unsharpness": {"basic_spatial_resolution": _value(_srb_mm(setup), "mm"), "mtf": no_file},
        "bad_pixel_map": {"file": no_file, "type": None, "dim_x": None, "dim_y": None, "endian": None, "headersize": 0},
        "scintillator": {"material_id": screen.phosphor, "thickness": _value(screen.thickness_mm, "mm")},
        "window": {"front": [], "rear": []},
        "filters": {"front": [], "rear": []},
    }


def _srb_mm(setup: PairSetup) -> float | None:
    found = basic_spatial_resolution_mm(setup.lr_response.otf)
    return float(found) if np.isfinite(found) else None


def _source(setup: PairSetup) -> dict[str, Any]:
    geometry, spectrum = setup.geometry, setup.spectrum
    through = spectrum.transmission_um
    # The full width at half maximum of a Gaussian is 2.3548 of its standard deviations; other spots have edges.
    gaussian = geometry.focal_spot_shape == "gaussian"
    sigma = geometry.focal_spot_mm / 2.354820045 if gaussian else 0.0
    size = 0.0 if gaussian else geometry.focal_spot_mm
    return {
        "model": "",
        "manufacturer": "",
        "voltage": _value(spectrum.kvp, "kV"),
        "current": _value(1.0, "mA"),
        "target": {
            "material_id": spectrum.target,
            "type": "reflection" if through is None else "transmission",
            "thickness": _value(None if through is None else mm_from_um(through), "mm"),
            "angle": {
                "incidence": _value(90.0 - spectrum.anode_angle_deg, "deg"),
                "emission": _value(spectrum.anode_angle_deg, "deg"),
            },
        },
        "spot": {
            "size": {"u": _value(size, "mm"), "v": _value(size, "mm"), "w": _value(0.0, "mm")},
            "sigma": {"u": _value(sigma, "mm"), "v": _value(sigma, "mm"), "w": _value(0.0, "mm")},
            "intensity_map": {
                "file": _value(None),
                "type": None,
                "dim_x": None,
                "dim_y": None,
                "dim_z": None,
                "endian": None,
                "headersize": 0,
            },
        },
        "spectrum": {"monochromatic": False, "file": _value(None)},
        "window": [],
        "filters": [{"material_id": name, "thickness": _value(mm, "mm")} for name, mm in spectrum.filters],
    }


def _sample(file: str, substance: str, axis: tuple[float, float, float]) -> dict[str, Any]:
    """Return the object on the stage, whose axes u, v, w are x, w times x, and the course's axis."""
    stage = np.array([(1.0, 0.0, 0.0), np.cross(axis, (1.0, 0.0, 0.0)), axis])
    zero = _value(0.0, "mm")
    return {
        "name": file.rpartition(".")[0] or file,
        "file": _value(file),
        "unit": "mm",
        "scaling_factor": {name: _value(1.0) for name in "rst"},
        "material_id": substance,
        "position": {
            "center": {"u": zero, "v": zero, "w": zero},
            "vector_r": _vector((stage @ (1.0, 0.0, 0.0)).tolist(), "uvw"),
            "vector_t": _vector((stage @ (0.0, 0.0, 1.0)).tolist(), "uvw"),
            "deviations": [],
        },
    }


def _material(name: str) -> dict[str, Any]:
    found = material(name)
    parts = [{"formula": _value(symbol), "mass_fraction": _value(part)} for symbol, part in found.mass_fractions]
    return {"id": name, "name": name, "density": _value(found.density_g_cm3, "g/cm^3"), "composition": parts}


def _vacuum() -> dict[str, Any]:
    nothing = [{"formula": {"value": "H"}, "mass_fraction": _value(1.0)}]
    return {"id": "Vacuum", "name": "Vacuum", "density": _value(0.0, "g/cm^3"), "composition": nothing}
