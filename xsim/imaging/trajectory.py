"""The course of a scan: the poses of tube and detector around an object, from a set-up's distances and three angles.

All courses start from one arrangement, in the object's frame with z towards the source: the detector lies in a plane of
constant z, its rows along x and its columns along y. ``arc`` turns the object about the y axis, as computed tomography
does; ``laminography`` about the z axis under a beam that is tilted along x, the detector parallel to the object;
``tomosynthesis`` moves tube and detector sideways along x, against each other.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from xsim.errors import InputError, UnknownNameError, check_range
from xsim.imaging.geometry import Geometry
from xsim.phantoms.pose import Pose, rotation

__all__ = ["AXES", "Course", "Trajectory"]

Course = Literal["arc", "laminography", "tomosynthesis"]
AXES = {"arc": (0.0, 1.0, 0.0), "laminography": (0.0, 0.0, 1.0)}
"""What the object turns about, in its own frame."""

# Beyond this a stack is no stack: 16-bit views of 1024 pixels would fill 20 GB.
MOST_VIEWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """The views of a scan.

    Parameters
    ----------
    course : {"arc", "laminography", "tomosynthesis"}
        What moves.
    views : int
        How many views, 1 to 10000.
    arc_deg : float
        Angle from the first view to the last [deg], 0 to 360; a whole turn ends one step before its start. Up to 90
        for tomosynthesis: 45 to either side.
    start_deg : float
        Angle of the first view [deg], -360 to 360; tomosynthesis lies symmetric instead.
    tilt_deg : float
        Angle between the central ray and the axis of laminography [deg], 1 to 45.

    Raises
    ------
    PhysicsRangeError
        If a number is out of range.
    UnknownNameError
        If the course is not known.
    InputError
        If an angle is given that the course has not.
    """

    course: Course
    views: int
    arc_deg: float = 360.0
    start_deg: float = 0.0
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.course not in get_args(Course):
            raise UnknownNameError("course", self.course, get_args(Course))
        check_range("number of views", self.views, 1, MOST_VIEWS)
        check_range("arc", self.arc_deg, 0.0, 90.0 if self.course == "tomosynthesis" else 360.0, "degree")
        check_range("first angle", self.start_deg, -360.0, 360.0, "degree")
        if self.course == "laminography":
            check_range("tilt of laminography", self.tilt_deg, 1.0, 45.0, "degree")
        elif self.tilt_deg:
            raise InputError(f"a tilt of {self.tilt_deg:g} degree: only laminography has one: leave it out")
        if self.course == "tomosynthesis" and self.start_deg:
            raise InputError("tomosynthesis lies symmetric to the straight view: leave the first angle out")

    @property
    def is_closed(self) -> bool:
        """Whether the last view is one step before the first."""
        return self.arc_deg == 360.0

    @property
    def angles_deg(self) -> tuple[float, ...]:
        """Return the angle of each view [deg]."""
        start = -0.5 * self.arc_deg if self.course == "tomosynthesis" else self.start_deg
        step = self.arc_deg / (self.views if self.is_closed else max(self.views - 1, 1))
        return tuple(start + step * number for number in range(self.views))

    @property
    def most_tilt_deg(self) -> float:
        """Return the largest angle between the central ray and the detector's normal [deg]."""
        return 0.5 * self.arc_deg if self.course == "tomosynthesis" else self.tilt_deg

    def poses(self, geometry: Geometry) -> tuple[Pose, ...]:
        """Return where tube and detector stand in each view, at the distances of a geometry.

        The object's origin lies ``geometry.source_mm`` below the source, along the detector's normal.
        """
        if self.course == "tomosynthesis":
            return tuple(_oblique(geometry, angle) for angle in self.angles_deg)
        start = _oblique(geometry, self.tilt_deg)
        return tuple(start.turned(rotation(AXES[self.course], angle)) for angle in self.angles_deg)

    def to_dict(self) -> dict[str, Any]:
        """Return the trajectory as JSON types."""
        return asdict(self)


def _oblique(geometry: Geometry, tilt_deg: float) -> Pose:
    """Return the pose of a beam that is tilted along the rows: the source at -x where the tilt is above zero."""
    height, behind = geometry.source_mm, geometry.source_detector_mm - geometry.source_mm
    slope = math.tan(math.radians(tilt_deg))
    return Pose((-slope * height, 0.0, height), (slope * behind, 0.0, -behind), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
