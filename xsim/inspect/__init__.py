"""What an inspector asks of a radiograph: the voids of solder balls."""

from xsim.inspect.limits import Limit, limit_of
from xsim.inspect.result import JudgedBall, SeenVoid, VoidReport
from xsim.inspect.sight import Optics
from xsim.inspect.voids import inspect_voids

__all__ = ["JudgedBall", "Limit", "Optics", "SeenVoid", "VoidReport", "inspect_voids", "limit_of"]
