"""The one script of the console, in a real browser: when it asks, and when it leaves off.

Its clock is replaced before it runs: how long it meant to wait is noted, and it waits a moment.
"""

from __future__ import annotations

import time

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.conftest import StartServer
from tests.console.steps import at_rest, sign_in, wait_for, words_of
from tests.servers import wait_until

CLOCK = """
window.waited = [];
const inTime = window.setTimeout;
window.setTimeout = (work, wait) => {
  if (wait >= 1000) window.waited.push(wait);
  return inTime(work, Math.min(wait, 50));
};
"""
EVERY_MS = 3000


@pytest.fixture
def hurried(browser: Chrome) -> Chrome:
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CLOCK})
    return browser


def waited(browser: Chrome) -> list[int]:
    """How long the script meant to wait before each look, in milliseconds."""
    told: list[int] = at_rest(browser, lambda page: page.execute_script("return window.waited"))
    return told


def show_window(browser: Chrome, state: str) -> None:
    window = browser.execute_cdp_cmd("Browser.getWindowForTarget", {})["windowId"]
    bounds = {"windowId": window, "bounds": {"windowState": state}}
    browser.execute_cdp_cmd("Browser.setWindowBounds", bounds)


def test_a_server_that_is_away_is_asked_less_and_less(server: StartServer, hurried: Chrome) -> None:
    running = server(API_WITHOUT_KEY="1")
    hurried.get(running.http("/"))
    wait_for(hurried, "Overview")
    wait_until(lambda: len(waited(hurried)) > 3, seconds=30)
    assert set(waited(hurried)) == {EVERY_MS}
    away = hurried.find_element(By.ID, "away")
    assert not away.is_displayed()
    running.crash()
    grown = [2 * EVERY_MS, 4 * EVERY_MS, 8 * EVERY_MS, 16 * EVERY_MS, 60_000, 60_000, 60_000]
    wait_until(lambda: waited(hurried)[-3:] == grown[-3:], seconds=30)
    begun = waited(hurried).index(grown[0])
    assert waited(hurried)[begun : begun + len(grown)] == grown
    assert away.is_displayed()
    # What was seen last stays, and is brought up to date by itself.
    assert "Overview" in words_of(hurried)
    running.start()
    wait_until(lambda: not away.is_displayed(), seconds=30)
    wait_until(lambda: waited(hurried)[-1] == EVERY_MS, seconds=30)


def test_a_hidden_tab_asks_nothing(server: StartServer, hurried: Chrome) -> None:
    running = server(API_WITHOUT_KEY="1")
    hurried.get(running.http("/"))
    wait_until(lambda: len(waited(hurried)) > 3, seconds=30)
    show_window(hurried, "minimized")
    wait_until(lambda: hurried.execute_script("return document.hidden"), seconds=30)
    time.sleep(1)  # a look that was under way
    before = len(waited(hurried))
    time.sleep(4)  # a hidden page's clock ticks once a second
    assert len(waited(hurried)) == before
    show_window(hurried, "normal")
    wait_until(lambda: len(waited(hurried)) > before + 3, seconds=30)


def test_a_session_that_has_ended_leads_to_the_sign_in(
    server: StartServer, hurried: Chrome
) -> None:
    running = server(API_WITHOUT_KEY="0")
    sign_in(hurried, running, running.api_key("analyst"))
    wait_until(lambda: len(waited(hurried)) > 3, seconds=30)
    keys = running.flask("api-key", "list").splitlines()
    [revoked] = [line.split()[0] for line in keys if "test-analyst" in line]
    running.flask("api-key", "revoke", revoked)
    wait_for(hurried, "API key")
    assert hurried.current_url.startswith(running.http("/sign-in"))
