"""The main job in one go: simulate a board, image it with both screens, restore the LR image, compare with HR.

Run it with ``make demo``, or ``python examples/demo.py [FOLDER]``.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import xsim
import xsim_zoo
from xsim.measure.similarity import psnr_dB, ssim
from xsim_datasets.images import read_image
from xsim_datasets.pair_folder import write_pair
from xsim_datasets.pictures import draw_comparison

SEED = 2026  # no board of the training data: those come from other seeds, see the weights' card


def main(folder: Path) -> None:
    """Write the pair, the restored image, the comparison picture and the figures into a folder."""
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)

    print("simulating a board and imaging it with the 33.91 and the 134.55 mg/cm2 screen ...")
    setup = xsim.recipes.paper()
    pair = xsim.simulate_pair(xsim.phantoms.random_board(SEED), setup, SEED)
    files = write_pair(pair, folder, recipe="paper")

    print("restoring the LR image with physics-sde ...")
    restorer = xsim_zoo.load("physics-sde")
    restored = restorer.restore(folder / files["lr"], open_field=files["open_field_lr"])
    restored.save(folder / "restored.tif")

    grey = {
        "LR": read_image(folder / files["lr"]).pixels / files["open_field_lr"],
        "restored": read_image(folder / "restored.tif").pixels / files["open_field_lr"],
        "HR": read_image(folder / files["hr"]).pixels / files["open_field_hr"],
    }
    scores = {
        name: {"psnr_dB": psnr_dB(image, grey["HR"]), "ssim": ssim(image, grey["HR"])}
        for name, image in grey.items()
        if name != "HR"
    }
    titles = {
        "LR": "LR, 134.55 mg/cm2, one frame\n{psnr_dB:.2f} dB, SSIM {ssim:.4f}".format(**scores["LR"]),
        "restored": "restored by physics-sde\n{psnr_dB:.2f} dB, SSIM {ssim:.4f}".format(**scores["restored"]),
        "HR": "HR, 33.91 mg/cm2, mean of 20 frames\n ",
    }
    draw_comparison({titles[name]: image for name, image in grey.items()}, pair.pitch_mm, folder / "comparison.png")
    (folder / "scores.json").write_text(json.dumps({"data_range": 1.0, **scores}, indent=1) + "\n", encoding="utf-8")

    print("against HR, data range 1 (the open field):")
    for name, score in scores.items():
        print(f"  {name:9s} PSNR {score['psnr_dB']:6.2f} dB   SSIM {score['ssim']:.4f}")
    print(f"images   {folder / 'lr.tif'}, {folder / 'restored.tif'}, {folder / 'hr.tif'} (16 bit)")
    print(f"picture  {folder / 'comparison.png'}")
    print(f"done in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
