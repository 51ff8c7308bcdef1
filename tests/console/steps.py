"""What a person does at the console in a real browser, and what a charge point may say of itself
to make trouble there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from selenium.common.exceptions import NoSuchElementException, WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser import complaints, requested_urls
from tests.servers import Server, wait_until

Answer = TypeVar("Answer")

_DEADLINE_S = 30.0
SCRIPT = "<script>alert(1)</script>"  # of 25 characters, as many as a serial number has
VENDOR, MODEL = "<script>v()</script>", "<script>m()</script>"  # of 20, likewise
BOOT = {
    "chargePointVendor": VENDOR,
    "chargePointModel": MODEL,
    "chargePointSerialNumber": SCRIPT,
    "chargeBoxSerialNumber": SCRIPT,
    "firmwareVersion": SCRIPT,
    "iccid": "<script>i()</script>",
    "imsi": "<script>j()</script>",
    "meterType": SCRIPT,
    "meterSerialNumber": SCRIPT,
}


def at_rest(browser: Chrome, look_or_touch: Callable[[Chrome], Answer]) -> Answer:
    """What came of it. Tried again while the page is on its way to the next one or being redrawn:
    an element that was found may be gone before it is read or pressed."""
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            return look_or_touch(browser)
        except WebDriverException:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def words_of(browser: Chrome) -> str:
    """What the page says to a reader, in one look: a part that changes meanwhile is seen as it was
    or as it is."""
    text = at_rest(browser, lambda page: page.find_element(By.TAG_NAME, "main").text)
    return " ".join(text.split())


def wait_for(browser: Chrome, *told: str) -> None:
    """Until the page says all of it."""

    def seen() -> bool:
        text = words_of(browser)
        return all(each in text for each in told)

    wait_until(seen, seconds=_DEADLINE_S, what=f"{told} never stood on the page")


def press(browser: Chrome, text: str) -> None:
    """The one button of that text."""

    def touch(page: Chrome) -> None:
        buttons = page.find_elements(By.TAG_NAME, "button")
        of_that_text = [each for each in buttons if each.text == text]
        if len(of_that_text) != 1:
            raise NoSuchElementException(f"{len(of_that_text)} buttons say {text}")
        of_that_text[0].click()

    at_rest(browser, touch)


def click(browser: Chrome, by: str, what: str) -> None:
    """The first element found so."""
    at_rest(browser, lambda page: page.find_element(by, what).click())


def sign_in(browser: Chrome, server: Server, key: str) -> None:
    browser.get(server.http("/sign-in"))
    fill_in(browser, "key", key)
    press(browser, "Sign in")
    wait_for(browser, "Overview")


def follow(browser: Chrome, text: str) -> None:
    click(browser, By.LINK_TEXT, text)


def fill_in(browser: Chrome, name: str, text: str) -> None:
    """Types into the first field of that name."""
    at_rest(browser, lambda page: page.find_element(By.NAME, name).send_keys(text))


def nothing_was_wrong(browser: Chrome, server: Server) -> list[str]:
    """No complaint in the browser's console, and no request to anywhere else. Returns the URLs that
    were asked for."""
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert [url for url in urls if not url.startswith((server.http("/"), "data:"))] == []
    return urls
