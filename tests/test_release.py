"""What is released: one version, a wheel and an sdist that hold what they should, and workflows that run `make`."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from xsim import __version__

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[1]
PACKAGES = {"xsim": "xsim", "xsim_datasets": "datasets", "xsim_zoo": "zoo", "xsim_cli": "cli"}
DATA = {".toml", ".safetensors", ".json", ".typed", ".html", ".css", ".js"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hatchling.builders.wheel import WheelBuilder

    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))))


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hatchling.builders.sdist import SdistBuilder

    return Path(next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("sdist")))))


def test_the_version_is_said_once(metadata: Message) -> None:
    assert metadata["Version"] == __version__
    assert PROJECT["project"]["dynamic"] == ["version"]
    literal = re.compile(rf"(?<![\w.]){re.escape(__version__)}(?![\w.])")
    said = {
        path.relative_to(ROOT).as_posix()
        for package, folder in PACKAGES.items()
        for path in (ROOT / folder if package == folder else ROOT / folder / package).rglob("*.py")
        if literal.search(path.read_text(encoding="utf-8"))
    }
    assert said == {"xsim/_version.py"}


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "type"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all("name" in author or "family-names" in author for author in citation["authors"])
    assert str(citation["version"]) == __version__
    assert citation["license"] == PROJECT["project"]["license"]["text"]


def test_the_changelog_says_what_comes() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings
    assert any(heading == "Unreleased" or heading.startswith(__version__) for heading in headings)


def test_a_wheel_installs_our_four_packages_and_nothing_else(wheel_names: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in wheel_names if "test" in PurePosixPath(name).name or "__pycache__" in name]


def test_a_wheel_holds_every_data_file(wheel_names: set[str]) -> None:
    expected = set()
    for package, folder in PACKAGES.items():
        root = ROOT if package == folder else ROOT / folder
        files = [path for path in (root / package).rglob("*") if path.suffix in DATA | {".py"}]
        expected |= {path.relative_to(root).as_posix() for path in files}
    assert expected <= wheel_names
    for package in PACKAGES:
        assert f"{package}/py.typed" in wheel_names
    assert "xsim_zoo/weights/files/physics-sde.safetensors" in wheel_names
    assert "xsim_datasets/recipe/shipped/tiny.toml" in wheel_names
    assert [name for name in wheel_names if name.endswith("licenses/LICENSE")]


def test_a_wheel_says_what_it_is(wheel: Path, metadata: Message) -> None:
    assert metadata["Name"] == "xsim-xray"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith("# xsim")
    required = {re.split(r"[^\w.-]", line)[0] for line in metadata.get_all("Requires-Dist", [])}
    assert {"numpy", "torch", "zarr", "typer", "safetensors"} <= required
    assert {"gerber", "cluster", "s3", "onnx"} <= set(metadata.get_all("Provides-Extra", []))
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "xsim = xsim_cli.app:main" in archive.read(entry).decode()
    assert wheel.stat().st_size < 60e6, "PyPI takes 100 MB a file"


def test_an_sdist_can_be_worked_on(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for wanted in (
        "pyproject.toml", "Makefile", "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
        "CITATION.cff", "SECURITY.md", "Dockerfile", "recipe/recipe.yaml", "tests/test_release.py",
        "examples/demo.py", "xsim/_version.py",
    ):  # fmt: skip
        assert wanted in names, wanted
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "runs/", "data/"))]


@pytest.mark.slow
def test_an_sdist_builds_the_same_wheel(sdist: Path, wheel_names: set[str], tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    again = next(WheelBuilder(str(next(tmp_path.iterdir()))).build(directory=str(tmp_path / "dist")))
    with zipfile.ZipFile(again) as archive:
        assert set(archive.namelist()) == wheel_names


def runs(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_the_commands_of_contributing(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 reads the key `on` as true.
    assert workflow.get("on", workflow.get(True))
    assert workflow["permissions"] == {"contents": "read"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = {word for run in runs(workflow) for word in re.findall(r"make ([a-z-]+)", run)}
    for job in workflow["jobs"].values():
        systems = job.get("strategy", {}).get("matrix", {}).get("os", [])
        assert job["runs-on"] == ("${{ matrix.os }}" if systems else "ubuntu-latest")
        commands |= set(job.get("strategy", {}).get("matrix", {}).get("command", []))
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
    assert commands
    assert commands <= targets
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"make {command}" in contributing for command in commands)


def test_every_promised_python_is_tested() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    tested = set(matrix["python"])
    prefix = "Programming Language :: Python :: "
    promised = {item.removeprefix(prefix) for item in PROJECT["project"]["classifiers"] if item.startswith(prefix)}
    assert tested == promised
    assert {"make test PYTHON=python", "make docs PYTHON=python"} <= set(runs(workflow))


def test_a_run_without_a_browser_fails_where_one_is_needed() -> None:
    pytest.importorskip("playwright", reason="playwright is not installed: make setup")
    program = "from tests.browser import launched\nwith launched(): pass"
    settings = {"PATH": "", "XSIM_NEEDS_BROWSER": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "there is no Chromium" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="CI runs a shell script")
@pytest.mark.parametrize("there", ["", "chromium", "google-chrome"])
@pytest.mark.parametrize("user", [0, 1000])
def test_ci_installs_a_browser_where_there_is_none_and_then_runs_the_tests(
    tmp_path: Path, there: str, user: int
) -> None:
    """The script itself, with programs in place of the real ones that write down how they were called."""
    calls = tmp_path / "calls"
    programs = {name: f'echo "{name} $*" >> {calls}' for name in ("apt-get", "sudo")}
    programs |= {"make": f'echo "make $* $XSIM_NEEDS_BROWSER" >> {calls}', "id": f"echo {user}"}
    programs |= {"dirname": 'echo "${1%/*}"'} | ({there: "exit 0"} if there else {})
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!{shutil.which('bash')}\n{line}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [str(shutil.which("bash")), str(ROOT / ".ci" / "run")],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    asked = [] if there else ["apt-get update -qq", "apt-get install -qq --no-install-recommends chromium"]
    asked = [f"sudo {call}" for call in asked] if user else asked
    assert calls.read_text().splitlines() == [*asked, "make test 1"]


CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""What conda-forge calls by another name than PyPI."""


def test_the_conda_recipe_asks_for_what_the_project_needs() -> None:
    path = ROOT / "recipe" / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == __version__
    assert recipe["package"]["name"] == PROJECT["project"]["name"]
    asked = set(recipe["requirements"]["run"])
    needed = set()
    for line in PROJECT["project"]["dependencies"]:
        name, extras, versions = re.fullmatch(r"([\w-]+)(?:\[(.+)\])?(.*)", line).groups()
        needed |= {f"{CONDA.get(name, name)} {versions}"} | {
            f"{name}-{extra}" for extra in (extras or "").split(",") if extra
        }
    assert asked == needed | {"python >=${{ python_min }}"}
    assert recipe["build"]["python"]["entry_points"] == ["xsim = xsim_cli.app:main"]


def test_the_conda_recipe_renders() -> None:
    rattler_build = pytest.importorskip("rattler_build", reason="rattler_build is not installed: make setup")
    text = (ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    variants = rattler_build.VariantConfig({"python_min": ["3.11"]})
    rendered = rattler_build.Stage0Recipe.from_yaml(text).render(variants)
    assert [str(variant.recipe.package.name) for variant in rendered] == ["xsim-xray"]


def test_the_container_runs_the_program_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=1) for line in lines if re.match(r"[A-Z]+ ", line)]
    last = {name: value for name, value in words if name in {"USER", "ENTRYPOINT"}}
    assert last == {"USER": "xsim", "ENTRYPOINT": '["xsim"]'}
    sources = {part for name, value in words if name == "COPY" and "--from" not in value for part in value.split()[:-1]}
    assert {Path(source).name for source in sources} >= {
        "pyproject.toml",
        "constraints.txt",
        "xsim",
        "datasets",
        "zoo",
        "cli",
    }
    assert all((ROOT / source).exists() for source in sources)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == let_in


def readme_blocks() -> list[tuple[str, str]]:
    """Return language and text of the README's examples."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.slow
def test_a_wheel_without_the_repository_does_what_the_readme_says(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([str(python), *install, str(wheel)], check=True)
    # The dependencies are those of this environment; its own xsim, a link to the repository, is not on this path.
    site = next(environment.glob("lib/python*/site-packages"))
    others = [entry for entry in sys.path if entry.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(others), encoding="utf-8")
    place = tmp_path / "anywhere"
    place.mkdir()
    settings = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def shell(command: str) -> None:
        done = subprocess.run(
            ["bash", "-ec", command], cwd=place, env=settings, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"

    shell(f'python -c "import xsim; assert xsim.__file__.startswith({str(environment)!r}), xsim.__file__"')
    # The reader's own radiograph.
    shell("xsim simulate --seed 3 -o given --json && mv given/lr.tif board.tif")
    shutil.rmtree(place / "given")
    blocks = readme_blocks()
    assert len(blocks) >= 5
    for language, text in blocks:
        if language == "python":
            (place / "example.py").write_text(text, encoding="utf-8")
            (place / "board_restored.tif").unlink(missing_ok=True)
            shell("python example.py")
            continue
        # Two steps of training show that it works; hundreds only take longer.
        lines = [re.sub(r"steps=\d+", "steps=2", line) for line in text.splitlines()]
        shell("\n".join(line for line in lines if not line.startswith("make ")))
    assert (place / "board_restored.tif").exists()
