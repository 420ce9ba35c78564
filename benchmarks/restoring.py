"""Speed and memory of restoring, beside the pipelines that people would take instead.

    OMP_NUM_THREADS=1 python benchmarks/restoring.py                 # sizes 512, 1024, 2048
    python benchmarks/restoring.py --sizes 1024 4096 8192 --restorers wiener physics-sde
    pip install --target SITE --no-deps diffusers; PYTHONPATH=SITE python benchmarks/restoring.py --sizes

Each size runs in a process of its own, so that its peak memory is its own. Times are CPU seconds (a busy machine does
not change them) and wall seconds, after loading. The rivals do the same task on one image of 512 x 512: diffusers'
UNet2DModel of about the same number of parameters with DDIM in 20 steps, and deepinv's DiffPIR with DRUNet, both with
untrained weights (their speed does not depend on them) and only where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def scene(side: int) -> NDArray[np.uint16]:
    """Return tracks and pads with noise, 16 bit, open field 50000."""
    rng = np.random.default_rng(0)
    image = np.ones((side, side), np.float32)
    for _ in range(side * side // 4000):
        top, left = rng.integers(0, side, 2)
        height, width = rng.integers(3, 60, 2)
        image[top : top + height, left : left + width] *= 0.9
    image += rng.normal(0, 0.01, image.shape).astype(np.float32)
    return (image * 50000).clip(0, 65535).astype(np.uint16)


def measure(name: str, side: int) -> None:
    """Restore one image in this process and print what it took."""
    from xsim_zoo import load
    from xsim_zoo.run.restore import restore

    restorer = load(name)
    image = scene(side)
    began, busy = time.perf_counter(), time.process_time()
    restore(restorer, image, open_field=50000.0).radiograph()
    wall, cpu = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{name:14s} {side:6d} px  {wall:8.2f} s wall  {cpu:8.2f} s CPU  "
        f"{cpu / side**2 * 1e6:6.2f} us/px CPU  {peak:5.2f} GiB"
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    work()
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(side: int) -> float:
    from xsim_zoo import load

    restorer = load("physics-sde")
    image = scene(side).astype(np.float32) / 50000
    return cpu_seconds(lambda: restorer.restore_array(image))


def diffusers_ddim(side: int, steps: int = 20) -> float:
    """Time UNet2DModel, conditioned on the LR image as a second channel, with DDIM."""
    import torch
    from diffusers import DDIMScheduler, UNet2DModel

    model = UNet2DModel(
        sample_size=side,
        in_channels=2,
        out_channels=1,
        block_out_channels=(32, 64, 64),
        layers_per_block=2,
        norm_num_groups=8,
        down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
    ).eval()
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(steps)

    @torch.no_grad()
    def work() -> None:
        x, y = torch.randn(1, 1, side, side), torch.rand(1, 1, side, side)
        for t in scheduler.timesteps:
            x = scheduler.step(model(torch.cat([x, y], 1), t).sample, t, x).prev_sample

    return cpu_seconds(work)


def deepinv_diffpir(side: int, steps: int = 20) -> float:
    """Time DiffPIR with DRUNet on a Gaussian blur."""
    import deepinv
    import torch

    blur = deepinv.physics.BlurFFT((1, side, side), deepinv.physics.blur.gaussian_blur(sigma=(2.0, 2.0)))
    model = deepinv.models.DRUNet(in_channels=1, out_channels=1, pretrained=None).eval()
    sampler = deepinv.sampling.DiffPIR(model, deepinv.optim.data_fidelity.L2(), max_iter=steps)

    @torch.no_grad()
    def work() -> None:
        sampler(blur(torch.rand(1, 1, side, side)), blur)

    return cpu_seconds(work)


RIVALS: dict[str, tuple[str, Callable[[int], float]]] = {
    "diffusers UNet2DModel + DDIM-20": ("diffusers", diffusers_ddim),
    "deepinv DiffPIR-20 + DRUNet": ("deepinv", deepinv_diffpir),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 1024, 2048])
    parser.add_argument("--rivals-size", type=int, default=512)
    parser.add_argument("--restorers", nargs="+", default=["wiener", "physics-sde"])
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SIZE"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.one:
        measure(words.one[0], int(words.one[1]))
        return
    for name in words.restorers:
        for side in words.sizes:
            subprocess.run([sys.executable, __file__, "--one", name, str(side)], check=True)
    side = words.rivals_size
    own = ours(side)
    print(f"physics-sde, defaults, {side} px: {own:.2f} s CPU")
    for title, (package, work) in RIVALS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{title}: {package} is not installed")
        else:
            taken = work(side)
            print(f"{title}, {side} px: {taken:.2f} s CPU, {taken / own:.1f} times as long")


if __name__ == "__main__":
    main()
