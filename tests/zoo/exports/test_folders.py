"""Folders for other zoos: what they hold, that it can be read again, and what their own validators say of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from PIL import Image

import xsim_zoo
from xsim.errors import InputError
from xsim_cli.app import main
from xsim_zoo.exports import bioimage, whole
from xsim_zoo.exports.bioimage import export_bioimage
from xsim_zoo.exports.hugging_face import export_hugging_face
from xsim_zoo.exports.licences import hub_licence
from xsim_zoo.network.export import Exported
from xsim_zoo.weights.card import read_card, shipped

if TYPE_CHECKING:
    from xsim_zoo.weights.card import Card

SHAPE = (64, 72)


@pytest.fixture(scope="module")
def card() -> Card:
    return read_card(shipped()["physics-sde"].with_suffix(".json"))


def test_shipped_cards_carry_licence_and_citation(card: Card) -> None:
    assert card.license == "MIT"
    assert "xsim" in card.citation
    assert card.to_dict()["license"] == "MIT"


def test_cards_of_others_say_what_their_maker_says(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    content = card.to_dict()
    path.write_text(json.dumps({key: value for key, value in content.items() if key not in {"license", "citation"}}))
    mine = read_card(path)
    assert (mine.license, mine.citation) == ("", "")
    assert "license" not in mine.to_dict()  # readable for earlier versions
    path.write_text(json.dumps(replace(mine, license="CC-BY-4.0", citation="Me, 2026").to_dict()))
    assert read_card(path).license == "CC-BY-4.0"


@pytest.fixture(scope="module")
def hub(card: Card, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "physics-sde"
    done = export_hugging_face(card, shipped()["physics-sde"], folder)
    assert done.files == ("README.md", "weights.json", "weights.safetensors")
    return folder


def front_matter(folder: Path) -> dict[str, Any]:
    _, head, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(head)
    return found


def test_a_folder_of_the_hub_loads_and_says_what_it_is(hub: Path, card: Card) -> None:
    image = whole.probe_image(SHAPE, 0)
    one, two = (xsim_zoo.load("physics-sde", weights, device="cpu") for weights in (hub, None))
    np.testing.assert_array_equal(one.restore_array(image), two.restore_array(image))
    said = front_matter(hub)
    assert (said["license"], said["library_name"]) == ("mit", "xsim")
    (results,) = said["model-index"][0]["results"]
    assert results["metrics"][0]["value"] == pytest.approx(card.scores["validation"]["psnr_dB"], abs=1e-4)
    text = (hub / "README.md").read_text(encoding="utf-8")
    assert card.citation in text
    assert "not proven" not in text
    for limit in ("## Limits", "never replace the input"):
        assert limit in text


def test_the_hubs_own_reader_takes_it(hub: Path) -> None:
    """All that can be checked without the Hub, whose validator is a request to it (`ModelCard.validate`)."""
    hub_library = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    read = hub_library.ModelCard.load(hub / "README.md")
    assert read.data.license == "mit"
    assert {result.metric_type for result in read.data.eval_results} == {"psnr", "ssim"}
    assert read.data.pipeline_tag == "image-to-image"


def test_a_restorer_without_weights_goes_to_no_hub(card: Card, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights to hand on"):
        export_hugging_face(replace(card, restorer="wiener", digest=""), shipped()["physics-sde"], tmp_path / "no")


@pytest.fixture
def without_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file stand for the graph, which takes ten seconds and has tests of its own."""

    def made(restorer: Any, shape: Any, path: Path, **how: Any) -> Exported:
        path.write_bytes(b"graph")
        return Exported(str(path), "onnx", 5, 1e-6)

    monkeypatch.setattr(bioimage, "export_whole", made)
    monkeypatch.setattr(bioimage, "answer_of", lambda path, images: images)
    monkeypatch.setattr(bioimage, "_opset", lambda path: 18)


def test_the_description_names_files_that_are_there(card: Card, tmp_path: Path, without_graph: None) -> None:
    restorer = xsim_zoo.load("wiener", device="cpu")
    done = export_bioimage(restorer, replace(card, citation="Me, https://example.org/paper."), SHAPE, tmp_path / "bio")
    assert done.largest_difference == 1e-6
    said = yaml.safe_load((tmp_path / "bio" / "rdf.yaml").read_text(encoding="utf-8"))
    tensors = [*said["inputs"], *said["outputs"]]
    assert (tmp_path / "bio" / said["documentation"]).read_text(encoding="utf-8").startswith("# physics-sde")
    images = [tensor[key] for tensor in tensors for key in ("test_tensor", "sample_tensor")]
    sources = [said["weights"]["onnx"], *images]
    for source in sources:
        content = (tmp_path / "bio" / source["source"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == source["sha256"]
    assert [axis.get("size") for axis in tensors[0]["axes"]] == [None, None, *SHAPE]
    assert said["cite"][0] == {"text": "Me, https://example.org/paper.", "url": "https://example.org/paper"}
    height, width = shape_of(tmp_path / "bio" / "cover.png")
    assert width == 2 * height >= 512
    assert np.load(tmp_path / "bio" / "test_lr.npy").shape == (1, 1, *SHAPE)


def shape_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as cover:
        return cover.height, cover.width


def test_the_bioimage_zoos_own_validator_takes_the_description(card: Card, tmp_path: Path, without_graph: None) -> None:
    """Its format, its files with their digests, its images and axes; what the graph answers is asked below."""
    spec = pytest.importorskip("bioimageio.spec", reason="bioimageio.spec is not installed: make setup")
    restorer = xsim_zoo.load("wiener", device="cpu")
    export_bioimage(restorer, replace(card, license="cc-by-4.0"), SHAPE, tmp_path / "bio")
    described = spec.load_description(tmp_path / "bio" / "rdf.yaml", perform_io_checks=True)
    summary = described.validation_summary
    # The one thing that it misses is the name of a maintainer on GitHub, which is the submitter's.
    assert summary.status in {"passed", "valid-format"}, summary.format()
    assert str(described.license) == "CC-BY-4.0"
    # It can fail: another image in the place of the test image.
    np.save(tmp_path / "bio" / "test_lr.npy", np.zeros((1, 1, 8, 8), np.float32))
    again = spec.load_description(tmp_path / "bio" / "rdf.yaml", perform_io_checks=True)
    assert again.validation_summary.status == "failed"


@pytest.mark.parametrize("licence", ["", "My own", "MIT OR Apache-2.0"])
def test_a_model_without_a_licence_that_the_zoo_knows_is_refused(licence: str, card: Card, tmp_path: Path) -> None:
    restorer = xsim_zoo.load("wiener", device="cpu")
    with pytest.raises(InputError, match="--license"):
        export_bioimage(restorer, replace(card, license=licence), SHAPE, tmp_path / "bio")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("MIT", {"license": "mit"}),
        ("cc-by-nc-4.0", {"license": "cc-by-nc-4.0"}),
        ("GPL-3.0-or-later", {"license": "gpl-3.0"}),
        ("CERN-OHL-S-2.0", {"license": "other", "license_name": "cern-ohl-s-2.0"}),
        ("My own terms", {"license": "other", "license_name": "my-own-terms"}),
    ],
)
def test_the_hub_is_told_licences_by_the_names_that_it_takes(licence: str, said: dict[str, str]) -> None:
    assert hub_licence(licence) == said


@pytest.mark.slow  # torch's exporter
def test_the_bioimage_zoos_own_programs_take_it_and_get_the_same(card: Card, tmp_path: Path) -> None:
    spec = pytest.importorskip("bioimageio.spec", reason="bioimageio.spec is not installed")
    core = pytest.importorskip("bioimageio.core", reason="bioimageio.core is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    export_bioimage(xsim_zoo.load("physics-sde", device="cpu"), card, SHAPE, tmp_path / "bio")
    described = spec.load_description(tmp_path / "bio" / "rdf.yaml", perform_io_checks=True)
    # The one thing that it misses is the name of a maintainer on GitHub, which is the submitter's.
    assert described.validation_summary.status in {"passed", "valid-format"}, described.validation_summary.format()
    assert core.test_model(described).status == "passed"


def run(arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "hugging"], "did you mean huggingface"),
        (["--format", "bioimage"], "needs --shape"),
        (["--format", "huggingface", "--shape", "64x64"], "leave out --shape"),
        (["--shape", "64"], "is no size"),
        (["--shape", "0x64"], "is no size"),
        (["--steps", "3"], "give --shape as well"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["zoo", "export", "physics-sde", "-o", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_folder_and_never_over_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, output = tmp_path / "weights", tmp_path / "hub"
    weights.mkdir()
    for path in (shipped()["unet"], shipped()["unet"].with_suffix(".json")):
        shutil.copyfile(path, weights / f"weights{path.suffix}")
    command = ["zoo", "export", "unet", "--weights", str(weights), "--format", "huggingface"]
    assert run([*command, "-o", str(output), "--license", "CC-BY-4.0", "--citation", "Me", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["format"], told["largest_difference"]) == ("xsim.zoo.export/1", "huggingface", None)
    assert front_matter(output)["license"] == "cc-by-4.0"
    assert read_card(output / "weights.json").citation == "Me"
    assert run([*command, "-o", str(output)]) == 2
    assert run([*command, "-o", str(weights), "--force"]) == 2
    assert (weights / "weights.safetensors").is_file()
    assert run([*command, "-o", str(output), "--force"]) == 0
