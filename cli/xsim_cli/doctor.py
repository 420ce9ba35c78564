"""``xsim doctor``: what works here, what is missing, and the command that mends it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

import typer

from xsim._version import DISTRIBUTION, __version__, namesakes
from xsim.errors import XsimError
from xsim_cli.common import JsonOption, emit_json

app = typer.Typer()

CORE = (
    "numpy", "scipy", "numba", "spekpy", "xraylib", "torch", "zarr", "tensorstore", "tifffile", "pydicom",
    "safetensors",
)  # fmt: skip
# package -> the extra of xsim that brings it
EXTRAS = {"gerbonara": "gerber", "trimesh": "mesh", "distributed": "cluster", "s3fs": "s3", "onnx": "onnx"}

_REINSTALL = f"pip install --force-reinstall {DISTRIBUTION}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _row(check: str, found: str, *, ok: bool = True, mend: str | None = None) -> dict[str, Any]:
    """Return what was found of one thing, and the command that mends it."""
    return {"check": check, "ok": ok, "is": found, "mend": mend}


def _packages() -> list[dict[str, Any]]:
    mend = f"pip uninstall xsim, then {_REINSTALL}"
    rows = [_row("xsim", f"{other} is called xsim, too", ok=False, mend=mend) for other in namesakes()]
    for package in CORE:
        found = _version(package)
        rows.append(
            _row(
                package, found or "missing", ok=found is not None, mend=None if found else f"pip install {DISTRIBUTION}"
            )
        )
    for package, extra in EXTRAS.items():
        found = _version(package)
        # An absent extra is a choice, not a fault.
        absent = _row(package, f"not installed (extra {extra})", mend=f"pip install '{DISTRIBUTION}[{extra}]'")
        rows.append(_row(package, found) if found else absent)
    return rows


def _compute() -> dict[str, Any]:
    import os

    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return _row("compute", f"{', '.join(devices)}; {torch.get_num_threads()} threads of {os.cpu_count()} cores")


def _spectrum() -> dict[str, Any]:
    from xsim.spectrum import tungsten_spectrum

    spectrum = tungsten_spectrum(kvp=70.0, filters=(("Al", 2.5),))
    return _row("spectrum", f"70 kV W + 2.5 mm Al: mean {spectrum.mean_energy_keV:.1f} keV")


def _cache() -> dict[str, Any]:
    from xsim.files.cache import cache_folder

    folder = cache_folder()
    if folder is None:
        return _row("cache", "none writable: spectra are computed anew", mend="export XSIM_CACHE=FOLDER")
    used = sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())
    return _row("cache", f"{folder} ({used / 1e6:.1f} MB)")


def _weights() -> dict[str, Any]:
    from xsim_zoo.weights.card import shipped
    from xsim_zoo.weights.checkpoint import load_checkpoint

    problems = []
    for path in shipped().values():
        try:
            load_checkpoint(path)
        except XsimError as error:
            problems.append(str(error))
    found = "; ".join(problems) or f"{', '.join(shipped()) or 'none'}: digests and tensors are sound"
    ok = bool(shipped()) and not problems
    return _row("weights", found, ok=ok, mend=None if ok else _REINSTALL)


def _guarded(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  the doctor reports whatever fails
        return _row(check.__name__.lstrip("_"), f"{type(error).__name__}: {error}", ok=False, mend=_REINSTALL)


@app.command(epilog="Example: xsim doctor --json")
def doctor(json_: JsonOption = False) -> None:
    """Say what works here, what is missing, and the command that mends it."""
    rows = [*_packages(), *map(_guarded, (_compute, _spectrum, _cache, _weights))]
    healthy = all(row["ok"] for row in rows)
    if json_:
        emit_json("doctor", {"ok": healthy, "xsim": __version__, "checks": rows})
    else:
        for row in rows:
            mark = "ok" if row["ok"] else "!!"
            mend = f"   mend: {row['mend']}" if row["mend"] else ""
            typer.echo(f"{mark}  {row['check']:<12} {row['is']}{mend}")
    if not healthy:
        raise typer.Exit(1)
