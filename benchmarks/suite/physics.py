"""Rows of the imaging physics: detectors, whole pairs, boards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import boards
import detector
import imaging
import imaging_peers

from suite.rows import Row, cpu_ms, missing
from xsim.detector.detector import Detector, Screen
from xsim.phantoms import View, random_board
from xsim.recipes import paper
from xsim.spectrum import preset_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["board_rows", "detector_rows", "pair_rows"]

_PEER_PX = 512


def detector_rows() -> Iterator[Row]:
    """Time a screen's response and its noise map beside the loops that the equations say."""
    beam, screen = preset_spectrum("paper"), Screen(134.55)
    response = Detector(screen).response(beam, 42.56)
    yield Row(
        "screen's signal at 64 frequencies",
        cpu_ms(lambda: screen.expose(beam, detector.FREQUENCIES), 10),
        "ms CPU",
        peer="loops in Python",
        peer_figure=cpu_ms(lambda: detector.looped_signal(screen, beam), 1),
    )
    yield Row(
        "NNPS map 128 x 128, 25 aliases",
        cpu_ms(lambda: response.nnps_map((128, 128)), 5),
        "ms CPU",
        peer="loops in Python",
        peer_figure=cpu_ms(lambda: detector.looped_map(response, 128), 1),
    )


def pair_rows() -> Iterator[Row]:
    """Time a pair of three sizes beside the sum of its floors, and the projection beside a loop and gVXR."""
    setup = paper()
    for size in (256, 512, 1024):
        phantom = imaging.board(size, setup.pitch_mm)
        _, floor = imaging.stages(setup, phantom, 2)
        whole = imaging.cpu_ms(lambda phantom=phantom: imaging.simulate_pair(phantom, setup, 1), 2)
        yield Row(
            f"HR/LR pair {size} x {size}, 8 materials",
            whole,
            "ms CPU",
            "its exponentials, FFTs and normal numbers",
            floor,
            note=f"{1e6 * whole / size**2:.0f} ns a pixel",
        )
    coarse = replace(setup, spectrum=imaging.in_kev_bins(setup.spectrum))
    phantom = imaging.board(_PEER_PX, setup.pitch_mm)
    responses = [coarse.hr_response, coarse.lr_response]
    yield Row(
        f"projection {_PEER_PX} x {_PEER_PX}, 60 energies, two screens",
        cpu_ms(lambda: imaging.project(phantom, responses), 2),
        "ms CPU",
        peer="loop over energies, numpy",
        peer_figure=cpu_ms(lambda: imaging.straightforward_projection(phantom, coarse), 1),
    )
    yield _beside_gvxr()
    yield Row("the same", float("nan"), "s wall", peer="gecatsim 1.6.9: its source does not build on Linux")


def _beside_gvxr() -> Row:
    bodies = imaging_peers.board(_PEER_PX * imaging_peers.PIXEL_MM)
    image, seconds = imaging_peers.with_xsim(bodies, _PEER_PX, 2)
    row = Row(f"board of boxes and balls, {_PEER_PX} x {_PEER_PX}, one screen", seconds, "s wall")
    try:
        other, peer_seconds = imaging_peers.with_gvxr(bodies, _PEER_PX, 2)
    except (ImportError, OSError, RuntimeError) as error:
        return row.with_peer(f"gVXR: {missing(error)}", None)
    difference = float(abs(image - other).mean())
    return row.with_peer("gVXR, from triangles, by this machine's OpenGL", peer_seconds, f"differ by {difference:.1e}")


def board_rows() -> Iterator[Row]:
    """Time drawing beside a plain raster, and whole random boards."""
    scene = boards.crowd()
    view = View((boards.SIDE, boards.SIDE), boards.PIXEL_MM)
    yield Row(
        f"2,244 primitives at {boards.SIDE} x {boards.SIDE}, exact areas",
        cpu_ms(lambda: scene.render(view), 3),
        "ms CPU",
        peer="numpy raster, 2 x 2 samples a pixel",
        peer_figure=cpu_ms(lambda: boards.plain_raster(scene, 2), 1),
    )
    for side in (512, 1024):
        count = 4
        spent = cpu_ms(lambda side=side, count=count: [random_board(n, (side, side)) for n in range(count)], 1) / count
        yield Row(f"random board, {side} x {side}", spent, "ms CPU", note=f"mean of {count} seeds")
