"""``xsim simulate --views``: an object seen from many sides, as stacks with the geometry of every view."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from xsim.errors import InputError
from xsim_cli.common import emit_json, existing, say

if TYPE_CHECKING:
    from xsim.imaging.setup import PairSetup
    from xsim.imaging.trajectory import Trajectory
    from xsim.phantoms.subjects import Subject
    from xsim_datasets.scan.scenario import Scenario

__all__ = ["is_scan", "run_scan"]

_COURSES = ("arc", "laminography", "tomosynthesis")


def is_scan(given: SimpleNamespace) -> bool:
    """Return whether the options ask for a scan, and refuse those that need one where they do not.

    Raises
    ------
    InputError
        For an option of a scan without --views or --scenario.
    """
    alone = [name for name in (*_COURSES, "start_deg", "mesh", "material") if getattr(given, name) not in (None, [])]
    if given.views is None and given.scenario is None:
        if alone:
            raise InputError(f"--{alone[0].replace('_', '-')} is of a scan: give --views too")
        return False
    if given.scenario is not None and (alone or given.views is not None):
        extra = alone[0].replace("_", "-") if alone else "views"
        raise InputError(f"--scenario says the course and the object: leave out --{extra}")
    if given.phantom is not None:
        raise InputError(f"{given.phantom}: a phantom is one view: give --mesh, or a board's --seed")
    return True


def run_scan(given: SimpleNamespace, setup: PairSetup) -> None:
    """Simulate a scan and write it; the set-up is the recipe's with what the command line changes."""
    from xsim.imaging.scan import simulate_scan
    from xsim_datasets.scan.ctsimu import scenario_document
    from xsim_datasets.scan.folder import check_scan_folder, write_scan
    from xsim_datasets.scan.scenario import read_scenario

    check_scan_folder(given.out, force=given.force)
    document: dict[str, Any] | None = None
    remarks: tuple[str, ...] = ()
    about: dict[str, Any]
    subject: Subject
    if given.scenario is not None:
        scenario = read_scenario(existing(given.scenario))
        setup, remarks = _setup_of(scenario, setup), scenario.remarks
        poses, angles, shape, subject = scenario.poses, scenario.angles_deg, scenario.shape, scenario.subject
        about = {"object": scenario.name, "read_from": str(given.scenario)}
    else:
        trajectory = _trajectory(given)
        shape = (given.size, given.size)
        poses, angles = trajectory.poses(setup.geometry), trajectory.angles_deg
        subject = _subject(given, setup, trajectory, shape)
        about = {"object": subject.name, "trajectory": trajectory.to_dict()}
        sample = (given.mesh.name, subject.materials[0]) if given.mesh and len(subject.materials) == 1 else None
        how: Any = {"name": subject.name, "open_field": given.open_field, "sample": sample}
        document = scenario_document(trajectory, poses, setup, shape, **how)
    for remark in remarks:
        say(remark)
    about |= {"seed": given.seed, "recipe": given.recipe, "settings": setup.to_dict()}
    index = write_scan(
        simulate_scan(subject, setup, poses, shape, given.seed),
        poses,
        given.out,
        shape=shape,
        pitch_mm=setup.pitch_mm,
        about=about,
        angles_deg=angles,
        scenario=document,
        open_field=given.open_field,
        force=given.force,
    )
    _say(given, index, len(poses))


def _say(given: SimpleNamespace, index: dict[str, Any], views: int) -> None:
    if given.json_:
        kept = {key: value for key, value in index.items() if key not in {"schema", "vectors"}}
        emit_json("simulate", {"path": given.out, "views_in_all": views, **kept})
        return
    unsound = ", ".join(f"{count} pixels {name.replace('_', ' ')}" for name, count in index["counts"].items() if count)
    files = ", ".join(index[name] for name in ("hr", "lr", "picture", "scenario") if name in index)
    say(f"{given.out}: {views} views, {files}, geometry.json{': ' + unsound if unsound else ''}")


def _trajectory(given: SimpleNamespace) -> Trajectory:
    """Return the course that the options say; a whole turn if they say none."""
    from xsim.imaging.trajectory import Trajectory

    told = [name for name in _COURSES if getattr(given, name) is not None]
    if len(told) > 1 and told != ["arc", "laminography"]:
        raise InputError(f"--{told[0]} and --{told[1]}: give one course (--laminography may have an --arc)")
    start = {} if given.start_deg is None else {"start_deg": given.start_deg}
    if "laminography" in told:
        arc = {} if given.arc is None else {"arc_deg": given.arc}
        return Trajectory(course="laminography", views=given.views, tilt_deg=given.laminography, **arc, **start)
    if "tomosynthesis" in told:
        return Trajectory(course="tomosynthesis", views=given.views, arc_deg=given.tomosynthesis, **start)
    return Trajectory(course="arc", views=given.views, arc_deg=360.0 if given.arc is None else given.arc, **start)


def _subject(given: SimpleNamespace, setup: PairSetup, trajectory: Trajectory, shape: tuple[int, int]) -> Subject:
    """Return the mesh of a file, or the random board of the seed."""
    from xsim.phantoms import BoardRecipe
    from xsim.phantoms.mesh import read_mesh
    from xsim.phantoms.subjects import board_subject, mesh_subject
    from xsim_cli.phantom import material_table

    if given.mesh is not None:
        if not given.material:
            raise InputError(f"{given.mesh}: what is it made of: give --material")
        return mesh_subject(read_mesh(existing(given.mesh)), material_table(given.material))
    if given.material:
        raise InputError("--material is of a --mesh: give one")
    if trajectory.course == "arc":
        raise InputError(
            "a board is seen by a detector that is parallel to it: give --laminography or --tomosynthesis, or a --mesh "
            "to turn"
        )
    if not 16 <= shape[0] <= 8192:
        raise InputError(f"size {shape[0]} pixels is not usable: give 16 to 8192")
    side_mm = shape[0] * setup.pitch_mm / setup.geometry.magnification
    recipe = BoardRecipe(source_mm=setup.geometry.source_mm)
    return board_subject(given.seed, (side_mm, side_mm), recipe=recipe, tilt_deg=trajectory.most_tilt_deg)


def _setup_of(scenario: Scenario, setup: PairSetup) -> PairSetup:
    """Return a set-up with the beam, the pixels, the spot and the frames of a scenario."""
    from xsim.spectrum import tungsten_spectrum

    how: dict[str, Any] = {
        "anode_angle_deg": setup.spectrum.anode_angle_deg,
        "model": setup.spectrum.model,
        **scenario.tube,
    }
    spectrum = tungsten_spectrum(scenario.kvp, scenario.filters, **how)
    first = scenario.poses[0]
    geometry = replace(
        setup.geometry,
        source_detector_mm=first.source_detector_mm,
        source_object_mm=first.height_mm,
        focal_spot_mm=scenario.focal_spot_mm,
        focal_spot_shape=scenario.focal_spot_shape,
    )
    if setup.hr.measured or setup.lr.measured:
        if abs(setup.pitch_mm / scenario.pitch_mm - 1.0) > 1e-3:
            raise InputError(
                f"the detectors have pixels of {setup.pitch_mm:g} mm, the scenario {scenario.pitch_mm:g}: give others"
            )
        hr, lr = setup.hr, setup.lr
    else:
        hr, lr = (
            replace(side, sensor=replace(side.sensor, pitch_mm=scenario.pitch_mm)) for side in (setup.hr, setup.lr)
        )
    return replace(setup, spectrum=spectrum, geometry=geometry, hr=hr, lr=lr, lr_frames=scenario.frames)
