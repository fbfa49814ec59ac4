"""Sites and a headless browser for the dashboards' tests."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dashboards.site import write_site
from tests.dashboards import frames

SITES = {
    "demo": frames.demo_results,
    "large": frames.large_results,
    "ragged": frames.ragged_results,
    "clean": frames.clean_results,
    "one-model": frames.one_model_results,
    "two-norms": frames.two_norms_results,
    "hostile": frames.hostile_results,
    "unknown": frames.unknown_results,
    "empty": lambda: frames.demo_results().clear(),
}
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Opened:
    """A page as the browser shows it, with everything that went wrong or left the machine while it loaded."""

    page: Any
    problems: list[str] = field(default_factory=list)

    def wait_until(self, condition: str, seconds: float = 300) -> None:
        """Poll a JavaScript condition from outside: the pages' own security policy forbids evaluating it inside."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.05)

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write each synthetic site once: ``site("demo")`` is its folder."""
    written: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in written:
            target = tmp_path_factory.mktemp("sites") / name
            written[name] = write_site(SITES[name](), frames.provenance(), target).parent
        return written[name]

    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless; skips where there is none, because no test downloads a browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, site: Callable[[str], Path]) -> Iterator[Callable[..., Opened]]:
    """Open ``open_page("demo", "index.html")`` from ``file://``, drawn completely, in a fresh context."""
    contexts = []

    def opened(name: str, file: str, *, width: int = 1280, dark: bool = False) -> Opened:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        result = Opened(context.new_page())
        _watch(result)
        result.page.goto((site(name) / file.partition("#")[0]).as_uri() + file[len(file.partition("#")[0]) :])
        result.wait_until("[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg'))")
        return result

    yield opened
    for context in contexts:
        context.close()


def _watch(opened: Opened) -> None:
    page, problems = opened.page, opened.problems
    page.on("console", lambda message: problems.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
