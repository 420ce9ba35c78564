"""All that the three packages offer, in one short program: simulate, store, import, train, judge, restore.

Run: python examples/whole_api.py FOLDER     (everything in it is small)
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

import xsim
import xsim_datasets as datasets
import xsim_zoo as zoo
from xsim.detector.detector import write_detectors
from xsim_zoo.evaluation.options import Options
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.restorers.base import How
from xsim_zoo.training.data import MemoryPairs


@zoo.register("mean-of-two")
class MeanOfTwo(zoo.Restorer):
    """A restorer of one's own: halfway between the input and the Wiener estimate."""

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        wiener: Tensor = zoo.get("wiener")(self.physics, device=self.device).solve(y, operator, how, network)
        return (y + wiener) / 2


@zoo.backbone
def plain(inputs: int, conditions: int, size: str) -> nn.Module:
    """A backbone of one's own, which `--set backbone=whole_api:plain` takes."""
    network = nn.Conv2d(inputs, 1, 3, padding=1)
    network.__dict__ |= {"receptive_px": 1, "stride": 1, "options": {"size": size}, "conditions": conditions}
    return network


@zoo.training_part
def absolute(answer: Tensor, target: Tensor) -> Tensor:
    """A loss of one's own, which `--set loss=whole_api:absolute` takes."""
    return (answer - target).abs().mean()


class Mine:
    """A maker of one's own: what `make_store` asks for."""

    def __init__(self, pair: xsim.Pair) -> None:
        self.pair = pair

    def sample(self, index: int) -> datasets.Sample:
        label = datasets.Label("flaw", y_px=3.0, x_px=4.0, size_mm=0.2, value=0.5)
        return datasets.Sample(self.pair.hr, self.pair.lr, seed=index, family=1, split="train", labels=(label,))

    def attributes(self) -> dict[str, Any]:
        return {"pitch_mm": self.pair.pitch_mm, "setups": [], "sources": []}

    def tables(self) -> dict[str, NDArray[np.float64]]:
        return {}


def simulated(folder: Path) -> tuple[xsim.Pair, xsim.Degradation]:
    spectrum: xsim.Spectrum = xsim.tungsten_spectrum(kvp=90.0, filters=(("Al", 3.0),))
    sensor = xsim.Sensor(pitch_mm=xsim.units.mm_from_um(48.0), read_noise_e=300.0)
    thick = xsim.Detector(xsim.Screen(134.55, "Gd2O2S"), sensor)
    setup = xsim.recipes.paper(spectrum=spectrum, hr=xsim.Detector(xsim.Screen(33.91), sensor), lr=thick)
    board = xsim.phantoms.random_board(seed=7, shape=(2 * 160, 2 * 160))
    pair = xsim.simulate_pair(board, setup, seed=7, clean=True)
    datasets.write_pair(pair, folder / "pair", recipe="paper")
    datasets.draw_comparison({"LR": pair.lr, "HR": pair.hr}, pair.pitch_mm, folder / "pair.png")
    write_detectors(folder / "thick.toml", {"lr": thick})
    between, same = setup.degradation(), xsim.GreyLink.identity()
    print("HR 0.5 is LR", float(between.link.forward(0.5)), "and not", float(same.forward(0.5)))
    return pair, between


def stored(folder: Path, *, cluster: str | None = None) -> datasets.PairStore:
    assert "tiny" in datasets.recipe_names()
    recipe: datasets.Recipe = datasets.load_recipe("tiny", n=8, size_px=96, imaging={"kvp": 80.0})
    assert datasets.setup_of(recipe.imaging).spectrum.kvp == 80.0
    executor = datasets.DaskCluster(cluster) if cluster else datasets.Serial()
    maker, plan = datasets.SimulatedMaker(recipe, seed=3), datasets.plan_of(recipe, seed=3)
    datasets.make_store(maker, plan, str(folder / "pairs.zarr"), executor=executor)
    assert datasets.verify_store(str(folder / "pairs.zarr"), full=True).ok
    store = datasets.PairStore.open(str(folder / "pairs.zarr"))
    datasets.draw_preview(store, folder / "preview.png", indices=[0, 1])
    datasets.export_pairs(store, folder / "exported", indices=[0, 1])
    return store


def imported(folder: Path, pair: xsim.Pair) -> None:
    """Make a store of files of two detectors, as those of a laboratory; and one of a maker of one's own."""
    for side, image in (("hr", pair.hr), ("lr", pair.lr)):
        codes = datasets.Radiograph((image * 50_000).clip(0, 65_535).astype(np.uint16), "tiff", pair.pitch_mm)
        (folder / side).mkdir()
        datasets.write_image(folder / side / "board_1.tif", codes)
    print("off by", datasets.register(pair.hr, pair.lr).residual_px, "px")
    camera = datasets.FlatField(open_field=50_000.0)
    positions = datasets.find_positions(folder / "hr", folder / "lr")
    real, plan = datasets.prepare_import(positions, camera, camera, pitch_mm=pair.pitch_mm)
    datasets.make_store(real, plan, str(folder / "real.zarr"), executor=datasets.ProcessPool(1))
    height, width = pair.hr.shape
    plan = datasets.Plan(n=1, height=height, width=width, seed=0, recipe={}, recipe_hash="of-my-own")
    datasets.make_store(Mine(pair), plan, str(folder / "mine.zarr"))


def trained(folder: Path, store: datasets.PairStore, between: xsim.Degradation) -> zoo.Restorer:
    settings = zoo.TrainSettings(
        size="tiny", steps=4, batch=2, patch=32, validate_images=1, loss=f"{__name__}:absolute"
    )
    seen = [zoo.StoreDataset(store)[number] for number in range(len(store))]
    hr, lr = (np.stack([pair[side][0].numpy() for pair in seen]) for side in (0, 1))
    pairs = MemoryPairs(hr, lr, between)
    zoo.train("unet-wiener", pairs, folder / "run", settings, device="cpu", quiet=True)
    zoo.finetune("unet-wiener", pairs, folder / "tuned", settings, weights=folder / "run", device="cpu", quiet=True)
    return zoo.load("unet-wiener", folder / "tuned", device="cpu")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pair, between = simulated(folder)
    store = stored(folder)
    imported(folder, pair)
    restorer = trained(folder, store, between)
    assert isinstance(restorer, zoo.LearnedRestorer)
    physics: zoo.Physics = restorer.physics
    mine = zoo.build("mean-of-two", physics)
    print(zoo.build("unet-wiener", physics, backbone=f"{__name__}:plain", size="one"), "is one of", zoo.names())
    read = datasets.read_image(folder / "lr" / "board_1.tif")
    restored: zoo.Restored = zoo.restore(restorer, read, zoo.RunSettings(open_field=50_000.0, pitch_mm=pair.pitch_mm))
    restored.save(folder / "restored.tif")
    told = zoo.with_detectors(zoo.load("wiener", device="cpu"), folder / "thick.toml")
    for one in (restorer, mine, told):
        answer = one.restore(pair.lr, pitch_mm=pair.pitch_mm)
        print(one.name, float(np.abs(answer.image - pair.hr).mean()), answer.consistency.verdict)
    asked = Options(split="train", images=1, sections=(), quick=True, resamples=100)
    found = zoo.evaluate(["wiener"], store, asked, device="cpu")
    print([verdict.text for verdict in found.verdicts], "judged by xsim", xsim.__version__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
