"""Make the pictures of the documentation that show pages: a report, and `xsim view`.

Run: python docs/screenshots.py [--folder FOLDER], with Chromium on the path. The other pictures are made by the pages
themselves, see run_page.py; a browser is more than those who read them have.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
XSIM = [sys.executable, "-m", "xsim_cli.app"]
_WIDTHS = (1280, 390)


def simulated(folder: Path) -> Path:
    """Return a simulated radiograph of a board."""
    command = [*XSIM, "simulate", "--seed", "7", "--size", "384", "--fast", "-o", str(folder / "pair")]
    subprocess.run(command, check=True)
    return (folder / "pair" / "lr.tif").rename(folder / "board-a.tif")


def report(browser: Any, source: Path, folder: Path) -> None:
    """Draw the page of a restored radiograph."""
    result = folder / "restored.tif"
    words = ["--detectors", "weights", "--samples", "4", "--steps", "3", "--report", "-o", str(result)]
    subprocess.run([*XSIM, "zoo", "run", "physics-sde", str(source), *words], check=True)
    for width in _WIDTHS:
        tab = browser.new_context(viewport={"width": width, "height": 1000}).new_page()
        tab.goto(Path(f"{result}.html").as_uri())
        tab.locator("html[data-ready]").wait_for(state="attached")
        tab.locator("#show-check").check()
        tab.wait_for_timeout(500)
        tab.screenshot(path=folder / f"report-{width}.png", full_page=True)
        tab.context.close()


def view(browser: Any, source: Path, folder: Path) -> None:
    """Draw `xsim view` after a file was dropped."""
    (folder / "radiographs").mkdir()
    command = [*XSIM, "view", "radiographs", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline()]
        while lines[-1] not in ("}\n", ""):
            lines.append(program.stdout.readline())
        tab = browser.new_context(viewport={"width": _WIDTHS[0], "height": 1000}).new_page()
        tab.goto(json.loads("".join(lines))["url"])
        tab.set_input_files("#file", source)
        tab.select_option("select[name=detectors]", "weights")
        tab.locator("#go").click()
        tab.locator("#save").wait_for(timeout=300_000)
        tab.frame_locator("#result").locator("html[data-ready]").wait_for(state="attached")
        for width in _WIDTHS:
            tab.set_viewport_size({"width": width, "height": 1600})
            tab.evaluate("scrollTo(0, 0)")
            tab.wait_for_timeout(1500)
            tab.screenshot(path=folder / f"view-{width}.png")
        tab.context.close()
        program.send_signal(signal.SIGINT)


def publish(source: Path, name: str, height: int) -> None:
    """Put the upper part of a picture into the documentation."""
    with Image.open(source) as picture:
        part = picture.convert("RGB").crop((0, 0, picture.width, min(height, picture.height)))
        part.thumbnail((1000, 4000), Image.Resampling.LANCZOS)
        part.save(IMAGES / name, optimize=True)


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="folder for all that is made; a temporary one by default")
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="xsim-screenshots-"))).resolve()
    folder.mkdir(exist_ok=True)
    source = simulated(folder)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        report(browser, source, folder)
        view(browser, source, folder)
        browser.close()
    publish(folder / f"report-{_WIDTHS[0]}.png", "report.png", 1500)
    publish(folder / f"view-{_WIDTHS[0]}.png", "view.png", 1500)


if __name__ == "__main__":
    main()
