"""The whole job without a shell: drop a file, choose, watch, compare, save; and what hostile files get."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from tests.browser import WIDE, launched, needs_chromium, watched
from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim_datasets.images import read_image
from xsim_zoo.process.physics import Physics
from xsim_zoo.run.report.judgement import judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.view.conftest import Client

pytestmark = needs_chromium

NAME = "x<img src=x onerror=alert(1)>.tif"
DESCRIPTION = "</script><script>alert('owned')</script>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def write_lr(path: Path, side: int = 128) -> Path:
    y = degrade(board(5, (side, side)), Physics(closed_form(), power_law()), 5)
    grey = np.rint(y * 50_000).clip(0, 65535).astype(np.uint16)
    per_cm = 10 / 0.048
    tifffile.imwrite(path, grey, metadata=None, description=DESCRIPTION, resolution=(per_cm, per_cm), resolutionunit=3)
    return path


def dropped(tab: Any, path: Path) -> None:
    """Drop a file from the desk, as a hand does."""
    handed = tab.evaluate_handle(
        """([name, bytes]) => { const held = new DataTransfer();
            held.items.add(new File([new Uint8Array(bytes)], name)); return held; }""",
        [path.name, list(path.read_bytes())],
    )
    tab.dispatch_event("#drop", "dragover", {"dataTransfer": handed})
    tab.dispatch_event("#drop", "drop", {"dataTransfer": handed})


def test_the_whole_job_without_a_shell(chromium: Any, real: Client, folder: Path, tmp_path: Path) -> None:
    tab, complaints, requests = watched(chromium)
    tab.goto(real.server.url)
    assert tab.url == f"http://127.0.0.1:{real.server.server_port}/"
    assert tab.locator("select[name=restorer]").input_value() == "physics-sde"
    source = write_lr(tmp_path / NAME)
    dropped(tab, source)
    assert tab.locator("#chosen").inner_text() == NAME
    tab.select_option("select[name=detectors]", "weights")
    tab.locator("summary").first.click()
    tab.fill("input[name=steps]", "1")
    tab.fill("input[name=open_field]", "50000")
    tab.select_option("select[name=polarity]", "metal-dark")
    tab.locator("#go").click()
    tab.locator("#save").wait_for(timeout=120_000)
    assert NAME in tab.locator("#work").inner_text()
    page = tab.frame_locator("#result")
    stage = page.locator("#stage")
    stage.wait_for()
    assert page.locator("h1").inner_text() == NAME
    assert DESCRIPTION in page.locator("#made").inner_text()
    # Move the slider, toggle an overlay.
    frame = """canvas => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(() => done(canvas.toDataURL()))))"""
    seen = [stage.evaluate(frame)]
    page.locator("#divider").evaluate("it => { it.value = 75; it.dispatchEvent(new Event('input')); }")
    seen.append(stage.evaluate(frame))
    page.locator("#show-check").click()
    seen.append(stage.evaluate(frame))
    assert len(set(seen)) == 3
    assert list(folder.iterdir()) == []
    tab.locator("#save").click()
    tab.locator("#shelf a").wait_for()
    names = {path.name for path in folder.iterdir()}
    stem = NAME.removesuffix(".tif")
    assert names == {f"{stem}_restored.tif", f"{stem}_restored.tif.html", f"{stem}_restored.tif.json"}
    restored = read_image(folder / f"{stem}_restored.tif")
    assert restored.shape == (128, 128)
    assert restored.dtype == np.uint16
    entry = json.loads((folder / f"{stem}_restored.tif.json").read_text())["entry"]
    assert entry["input"] == NAME
    assert tab.locator("#shelf .badge").inner_text().endswith(f" {judged(entry['consistency']).words}")
    # The saved report opens from the shelf.
    with tab.context.expect_page() as opened:
        tab.locator("#shelf a").click()
    opened.value.locator("html[data-ready]").wait_for(state="attached")
    assert opened.value.title() == NAME
    tab.context.close()
    assert complaints == []
    own = re.compile(rf"(http://127\.0\.0\.1:{real.server.server_port}/|data:|blob:)")
    assert [url for url in requests if not own.match(url)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (390, "dark")])
def test_nothing_overflows_and_text_has_contrast(
    chromium: Any, client: Client, folder: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    from tests.cli.view.test_server import keep
    from tests.zoo.evaluation.report.test_browser import CONTRAST

    keep(folder, NAME)
    tab, complaints, _ = watched(chromium, width, scheme)
    tab.goto(client.server.url)
    for more in tab.locator("summary").all():
        more.click()
    tab.locator("#raw").evaluate("it => { it.hidden = false; }")
    dropped(tab, write_lr(tmp_path / f"{'long' * 20}.tif"))
    tab.locator("#go").click()
    tab.locator("#save").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(WIDE) == []
    worst = tab.evaluate(CONTRAST)
    assert worst["text"] >= 4.5, worst["where"]  # WCAG 2.2, criterion 1.4.3
    tab.context.close()
    assert [line for line in complaints if "Blocked a frame" not in line] == []  # the stand-in's page tries


@pytest.mark.slow
def test_a_hostile_report_reaches_nothing(chromium: Any, client: Client, folder: Path) -> None:
    from tests.cli.view.test_server import keep

    # A page of somebody else's with a record beside it, as an archive may bring it.
    keep(
        folder,
        "evil.tif",
        """<script>
        window.tried = [];
        const note = (what) => window.tried.push(what);
        try { note(parent.document.title); } catch { note("no parent"); }
        try { note(document.cookie); } catch { note("no cookie"); }
        fetch("/").then((a) => a.text()).then(note, () => note("no fetch"));
        fetch("/stop", { method: "POST" }).then(() => note("posted"), () => note("no post"));
        </script>""",
    )
    tab, _, _ = watched(chromium)
    tab.goto(client.server.url)
    with tab.context.expect_page() as opened:
        tab.locator("#shelf a").click()
    evil = opened.value
    evil.wait_for_timeout(1000)
    # Its parent is itself, whose title is empty.
    assert set(evil.evaluate("window.tried")) == {"", "no cookie", "no fetch", "no post"}
    assert evil.evaluate("origin") == "null"
    tab.context.close()


@pytest.mark.slow
def test_another_site_cannot_post_or_frame(chromium: Any, client: Client, tmp_path: Path) -> None:
    """A page of another origin, in the very browser that is let in."""
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    (tmp_path / "site").mkdir()
    target = f"http://127.0.0.1:{client.server.server_port}"
    (tmp_path / "site" / "index.html").write_text(
        f"""<iframe id="f" src="{target}/"></iframe>
        <form id="form" method="post" action="{target}/jobs?name=a.tif" target="hidden" enctype="text/plain">
        <input name="a" value="b"></form><iframe name="hidden"></iframe>"""
    )

    class Site(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(tmp_path / "site"))

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        tab, _, _ = watched(chromium)
        tab.goto(client.server.url)
        other = tab.context.new_page()
        answers: list[tuple[str, int]] = []
        other.on("response", lambda answer: answers.append((answer.url.removeprefix(target), answer.status)))
        other.goto(f"http://localhost:{site.server_port}/")
        done = other.evaluate(
            """async (target) => { const tried = [];
                for (const [path, how] of [["/jobs?name=a.tif", { method: "POST", body: "x" }],
                    ["/jobs?name=a.tif", { method: "POST", body: "x", mode: "no-cors", credentials: "include" }],
                    ["/", { credentials: "include" }]]) {
                  try { tried.push((await fetch(target + path, how)).type); } catch { tried.push("failed"); }
                } return tried; }""",
            target,
        )
        assert done[0] == done[2] == "failed"
        other.evaluate("document.getElementById('form').submit()")
        other.wait_for_timeout(500)
        assert [status for path, status in answers if path.startswith("/jobs")]
        assert all(status == 403 for path, status in answers if path.startswith("/jobs"))
        assert client.server.session.job is None
        tab.context.close()
        site.shutdown()


@pytest.mark.slow
def test_several_files_and_wrong_ones_are_refused_in_words(chromium: Any, client: Client, tmp_path: Path) -> None:
    tab, complaints, _ = watched(chromium)
    tab.goto(client.server.url)
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_bytes(b"x")
    tab.evaluate(
        """() => { const held = new DataTransfer();
            for (const name of ["a.tif", "b.tif"]) held.items.add(new File(["x"], name));
            const event = new DragEvent("drop", { dataTransfer: held, bubbles: true });
            document.getElementById("drop").dispatchEvent(event); }"""
    )
    assert "One file at a time" in tab.locator("#problem").inner_text()
    (tmp_path / "page.html").write_text("x")
    dropped(tab, tmp_path / "page.html")
    tab.locator("#go").click()
    tab.locator("#problem").wait_for()
    assert "is no image that can be dropped" in tab.locator("#problem").inner_text()
    # Stopping: the stand-in for wiener waits.
    dropped(tab, tmp_path / "a.tif")
    tab.select_option("select[name=restorer]", "wiener")
    tab.locator("#go").click()
    tab.locator("#stop").click()
    tab.get_by_text("was stopped").wait_for()
    # A result that was not saved is asked about.
    tab.select_option("select[name=restorer]", "physics-sde")
    tab.locator("#go").click()
    tab.locator("#save").wait_for()
    asked: list[str] = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    tab.locator("#go").click()
    tab.wait_for_timeout(500)
    assert asked == ["a.tif was not saved. Let its result go?"]
    assert tab.locator("#save").is_visible()
    tab.context.close()
    # What the server refuses the console lists, and what the stand-in's page is kept from; nothing else.
    assert [line for line in complaints if "409" not in line and "Blocked a frame" not in line] == []


def test_raw_files_and_frames_are_dropped_and_described(chromium: Any, client: Client, tmp_path: Path) -> None:
    tab, complaints, _ = watched(chromium)
    tab.goto(client.server.url)
    grey = np.full((30, 40), 1000, np.uint16)
    for name in ("d0.tif", "d1.tif", "f.raw", NAME.replace(".tif", ".raw")):
        path = tmp_path / name
        tifffile.imwrite(path, grey) if path.suffix == ".tif" else path.write_bytes(grey.tobytes())
    assert not tab.locator("#raw").is_visible()
    tab.locator("summary", has_text="Dark").click()
    tab.set_input_files("#dark", [tmp_path / "d0.tif", tmp_path / "d1.tif"])
    tab.locator("#dark-said", has_text="2 taken").wait_for()
    assert tab.locator("#go").is_disabled()  # there is nothing to restore yet
    tab.set_input_files("#flat", [tmp_path / "f.raw"])
    tab.locator("#flat-said", has_text="1 taken").wait_for()
    assert tab.locator("#raw").is_visible()  # a RAW frame is asked about as well
    dropped(tab, tmp_path / NAME.replace(".tif", ".raw"))
    tab.locator("#go").click()
    tab.locator("#problem", has_text="the width of the RAW file").wait_for()
    tab.fill("input[name=raw_width]", "40")
    tab.fill("input[name=raw_height]", "30")
    tab.locator("#go").click()
    tab.locator("#save").wait_for()
    frames = client.server.session.frames.folder
    assert sorted(path.name for path in frames.rglob("*.*")) == [
        "000_d0.tif", "000_f.raw", "000_f.raw.toml", "001_d1.tif",
    ]  # fmt: skip
    tab.context.close()
    # The answer that refused the first try is said to the page, not to the console of a browser that is well.
    assert [line for line in complaints if "409" not in line and "Blocked a frame" not in line] == []
