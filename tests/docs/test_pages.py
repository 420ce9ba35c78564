"""Every page of the documentation runs as it stands: commands, Python, and what they print."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "docs" / "run_page.py"
QUICK = ["tutorials/first-pair.md", "howto/add-file-format.md", "howto/add-phosphor.md", "reference/python.md"]
PAGES = sorted(
    str(path.relative_to(ROOT / "docs"))
    for folder in ("tutorials", "howto", "explanation", "reference")
    for path in (ROOT / "docs" / folder).glob("*.md")
)
# What a page needs that xsim does not, as it brings packages along that do not fit every torch.
NEEDS = {"howto/other-samplers.md": "deepinv"}
# Blocks that show and do not run: folders, a cluster's commands, a CI file. In tutorials only pictures of folders.
LANGUAGES = {"sh", "python", "text", "toml"}


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUNNER), str(page), "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=() if page in QUICK else pytest.mark.slow, id=page) for page in PAGES]
)
def test_page_runs_and_prints_what_it_shows(page: str, tmp_path: Path) -> None:
    if page in NEEDS and importlib.util.find_spec(NEEDS[page]) is None:
        pytest.skip(f"{NEEDS[page]} is not installed")
    done = run_page(ROOT / "docs" / page, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_of_kinds_that_the_runner_knows(page: str) -> None:
    sys.path.insert(0, str(RUNNER.parent))
    try:
        from run_page import blocks
    finally:
        sys.path.pop(0)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = blocks(text)
    assert text.count("```") == 2 * (len(found) + sum(block.shown is not None for block in found))
    assert {block.kind for block in found} <= LANGUAGES
    if page.startswith("tutorials/"):
        assert not [block for block in found if block.kind == "text" and "xsim " in block.text], "commands must run"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "datasets/FORMAT.md"])
def test_links_and_pictures_outside_the_site_lead_somewhere(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert not missing


def test_a_page_that_shows_other_words_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\necho 3 balls\n```\n\n```text\n4 balls\n```\n")
    assert run_page(page, tmp_path).returncode == 0  # numbers may differ
    page.write_text("```sh\necho 3 balls\n```\n\n```text\n3 wires\n```\n")
    assert "page shows" in run_page(page, tmp_path).stderr


def test_a_page_whose_command_fails_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse | cat\nxsim nothing\n```\n")
    assert "no command 'nothing'" in run_page(page, tmp_path).stderr


def test_lines_of_dots_stand_for_any_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    block = "```python\nprint('a', 1)\nprint('b')\nprint('c', 2)\n```\n\n```text\n{}\n```\n"
    for shown, code in (("a 7\n...\nc 9", 0), ("...\nc 9", 0), ("a 7\n...", 0), ("a 7\nc 9", 1), ("...\nb", 1)):
        page.write_text(block.format(shown))
        assert (run_page(page, tmp_path).returncode != 0) == code, shown


def test_update_writes_what_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\necho 3 balls; echo 4 wires\n```\n\n```text\n...\n9 wires\n```\n")
    command = [sys.executable, str(RUNNER), str(page), "--folder", str(tmp_path), "--update"]
    subprocess.run(command, check=True, capture_output=True)
    assert page.read_text().endswith("```text\n...\n4 wires\n```\n")
