"""The admin in a real browser, from log-in to a finished operation. Leaves screenshots in build/screenshots."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from tests.support.installation import Ports, announced, belonging_to, call, start
from tests.support.processes import ROOT
from tests.support.services import unavailable

pytestmark = pytest.mark.slow

FLEET = 20
PATIENCE = 60_000
"""Milliseconds that a busy machine may take for any one step."""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = ROOT / "build" / "screenshots"


@dataclass
class Visit:
    """A page of the browser, and what went wrong in it behind the user's back."""

    page: Page
    known: dict[str, Any]
    wrong: list[str]

    workers: list[int]
    """Their pids."""

    def keep(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def signal_workers(self, number: signal.Signals) -> None:
        for pid in self.workers:
            os.kill(pid, number)


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    chromium = shutil.which("chromium") or unavailable("Chromium")
    tmp_path = tmp_path_factory.mktemp("browser")
    with start(tmp_path, Ports.free(), f"--fleet={FLEET}") as process, sync_playwright() as playwright:
        known = announced(process)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1440, "height": 1200})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: _note(message, wrong))
        page.on("request", lambda request: _stays_here(request.url, known["url"], wrong))
        workers = [pid for pid, command in belonging_to(tmp_path / "var").items() if "dramatiq" in command]
        yield Visit(page, known, wrong, workers)
        browser.close()


def _note(message: ConsoleMessage, wrong: list[str]) -> None:
    if message.type == "error":
        wrong.append(f"{message.text} {message.location.get('url', '')}")


def _stays_here(url: str, here: str, wrong: list[str]) -> None:
    if not url.startswith((here, "data:", "blob:")):
        wrong.append(f"asked another server: {url}")


def test_from_log_in_to_a_finished_operation(visit: Visit) -> None:
    page = visit.page

    page.goto(visit.known["admin"])
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", visit.known["password"])
    visit.keep("1-log-in")
    page.click("button[type=submit]")
    page.wait_for_url(visit.known["admin"])
    visit.keep("2-home")

    page.click("a[href$='/crypto/client/']")
    expect(page.locator("input[name=_selected_action]")).to_have_count(FLEET)
    page.check("#action-toggle")
    visit.keep("3-clients")
    page.select_option("select[name=action]", label="Pause selected")
    page.click("#changelist-form button[name=index]")

    expect(page.locator("#preview")).to_contain_text(f"{FLEET} clients")
    page.fill("input[name=operation_reason]", "maintenance")
    visit.keep("4-confirm")
    visit.signal_workers(signal.SIGSTOP)
    page.click("button:has-text('Pause 20 clients')")

    page.wait_for_url(re.compile(r"/crypto/operation/[0-9a-f-]{36}/change/"))
    expect(page.locator("#figures")).to_have_attribute("data-state", "RUNNING")
    expect(page.locator("#figures")).to_contain_text(f"{FLEET} queued")
    visit.keep("5-under-way")
    visit.signal_workers(signal.SIGCONT)
    expect(page.locator("#figures")).to_have_attribute("data-state", "COMPLETED")
    expect(page.locator("#figures")).to_contain_text(f"{FLEET} succeeded")
    visit.keep("6-finished")

    page.goto(visit.known["admin"])
    expect(page.locator("#dashboard")).to_contain_text(f"{FLEET} PAUSED")
    expect(page.locator("#dashboard")).to_contain_text("Commands in the last hour")
    visit.keep("7-home-afterwards")

    call(visit.known, "POST", f"{visit.known['api']}commands/resume_all/")
    # Nobody loads the page again.
    expect(page.locator("#dashboard")).to_contain_text(f"{FLEET} ACTIVE")
    assert page.evaluate("Chart.getChart('chart').data.datasets[1].data.reduce((a, b) => a + b)") >= 2 * FLEET
    visit.keep("8-home-by-itself")
    assert visit.wrong == []
