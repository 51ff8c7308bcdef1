"""Every page for everybody: axe finds nothing, and the keyboard gets everywhere and is seen there.

The rules are those of WCAG 2.1, levels A and AA, as axe-core checks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ocpp_cs.console.texts import COOKIE
from tests.browser import DARK, DARK_PHONE, LIGHT, PHONE, Look, look_as
from tests.conftest import StartServer
from tests.console.every_page import FOR_NOBODY, every_page
from tests.console.showcase import CHARGING, SETTINGS, showcase
from tests.console.steps import click, fill_in, press, sign_in, wait_for
from tests.npm import package_file

AXE = "axe-core@4.14.1"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
_RUN = """
const [rules, done] = arguments;
axe.run(document, {runOnly: {type: "tag", values: rules}, resultTypes: ["violations"]})
  .then(found => done(found.violations.flatMap(each => each.nodes.map(node =>
    `${each.id}: ${node.html.slice(0, 200)} (${node.failureSummary})`))),
    error => done([String(error)]));
"""
# What sticks out of the window: the page itself, or a link of a navigation.
_CUT_OFF = """
const links = [...document.querySelectorAll("nav a")].filter(each =>
  each.getBoundingClientRect().right > innerWidth || each.getBoundingClientRect().left < 0);
return links.map(each => `cut off: ${each.textContent}`).concat(
  document.documentElement.scrollWidth > innerWidth ? ["the page scrolls sideways"] : [])
"""
# What the keyboard has to reach and has not: of radio buttons, it reaches the chosen one.
_MISSED = """
return [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter(each => each.type !== "hidden" && each.tabIndex >= 0 && each.checkVisibility())
  .filter(each => (each.type !== "radio" || each.checked) && !window.reached.has(each))
  .map(each => each.outerHTML.slice(0, 120))
"""
_FOCUSED = """
const each = document.activeElement, style = getComputedStyle(each);
const box = each.getBoundingClientRect();
(window.reached ||= new Set()).add(each);
return each === document.body ? null : {
  what: each.outerHTML.slice(0, 120),
  seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
    && box.width > 0 && box.left >= 0 && box.right <= innerWidth + 1
    && box.top >= 0 && box.bottom <= innerHeight + 1,
}
"""


class Checker:
    """Looks at pages in every light and size, and collects what axe finds and what is cut off."""

    def __init__(self, browser: Chrome, axe: Path) -> None:
        self.browser = browser
        self.found: list[str] = []
        self._axe = axe.read_text(encoding="utf-8")

    def check(self, name: str, looks: Sequence[Look] = (LIGHT, DARK, PHONE, DARK_PHONE)) -> None:
        self.browser.execute_script(self._axe)
        for look in looks:
            look_as(self.browser, look)
            found = self.browser.execute_async_script(_RUN, RULES)
            found += self.browser.execute_script(_CUT_OFF)
            self.found += [f"{name}, {look.name}: {each}" for each in found]


@pytest.fixture
def checker(browser: Chrome, request: pytest.FixtureRequest) -> Checker:
    browser.set_script_timeout(60)
    return Checker(browser, package_file(request.config.cache, AXE, "axe.min.js"))


@pytest.mark.timeout(600)
def test_no_page_has_a_fault(server: StartServer, checker: Checker) -> None:
    running, browser = server(**SETTINGS), checker.browser
    with showcase(running, days=1) as key:
        for signed_in in (False, True):
            if signed_in:
                sign_in(browser, running, key)
            for page in every_page():
                if signed_in and page.name in FOR_NOBODY:
                    continue
                browser.get(running.http(page.path))
                checker.check(f"{page.name}, signed {'in' if signed_in else 'out'}")
        browser.get(running.http("/transactions?status=active"))
        click(browser, By.CSS_SELECTOR, "tbody a")
        wait_for(browser, "still running", "Close it")
        checker.check("a transaction that runs")
        browser.get(running.http(f"/charge-points/{CHARGING}/commands/ReserveNow"))
        browser.execute_script("document.querySelector('main form').noValidate = true")
        press(browser, "Send")
        wait_for(browser, "This is needed.")
        checker.check("a command with a fault")
        browser.get(running.http("/charge-points/nobody"))
        wait_for(browser, "Not found")
        checker.check("an error")
        browser.get(running.http("/onboarding"))
        fill_in(browser, "identity", "A/B")
        press(browser, "Add it")
        wait_for(browser, "That cannot be an identity")
        checker.check("a form with a fault")
        field = browser.find_element(By.NAME, "identity")
        field.clear()
        field.send_keys("NEW-1")
        press(browser, "Add it")
        wait_for(browser, "Connect NEW-1")
        checker.check("a new key")
        # Words are longer in German.
        browser.add_cookie({"name": COOKIE, "value": "de"})
        for page in every_page():
            if page.name not in FOR_NOBODY:
                browser.get(running.http(page.path))
                browser.find_element(By.LINK_TEXT, "Ladekarten")
                checker.check(f"{page.name}, in German", (LIGHT, PHONE))
    assert checker.found == []


def test_axe_would_find_something(server: StartServer, checker: Checker) -> None:
    checker.browser.get(server(API_WITHOUT_KEY="1").http("/charge-points"))
    checker.browser.execute_script("document.documentElement.removeAttribute('lang')")
    checker.browser.execute_script("document.querySelector('h1').style.color = '#ccc'")
    checker.check("page")
    told = " ".join(checker.found)
    assert "color-contrast: <h1" in told
    assert "html-has-lang" in told


@pytest.mark.timeout(600)
def test_the_keyboard_gets_everywhere(server: StartServer, browser: Chrome) -> None:
    running = server(**SETTINGS)
    with showcase(running, days=1) as key:
        sign_in(browser, running, key)
        wait_for(browser, "Sessions running 4")
        look_as(browser, LIGHT)

        def type_keys(*keys: str) -> Any:
            ActionChains(browser).send_keys(*keys).perform()
            return browser.execute_script(_FOCUSED)

        # The first stop leads past the navigation.
        first = type_keys(Keys.TAB)
        assert "skip" in first["what"]
        assert first["seen"]
        assert 'id="content"' in type_keys(Keys.ENTER)["what"]
        for page in every_page():
            if page.name in FOR_NOBODY:
                continue
            browser.get(running.http(page.path))
            browser.execute_script("document.activeElement.blur()")
            stops = [type_keys(Keys.TAB)]
            while (stop := type_keys(Keys.TAB)) is not None:
                stops.append(stop)
                assert len(stops) < 500, f"there is no way out of {page.name}"
            assert [stop["what"] for stop in stops if not stop["seen"]] == [], page.name
            assert browser.execute_script(_MISSED) == [], page.name
