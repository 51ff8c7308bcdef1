"""What a person does at the console in a real browser, and what a charge point may say of itself
to make trouble there."""

from __future__ import annotations

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import complaints, requested_urls
from tests.servers import Server

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


def wait_for(browser: Chrome, *told: str) -> None:
    """Until the page says all of it."""

    def seen(_: Chrome) -> bool:
        text = " ".join(browser.find_element(By.TAG_NAME, "main").text.split())
        return all(each in text for each in told)

    # The page may be on its way to the next one.
    waiting = WebDriverWait(
        browser, _DEADLINE_S, ignored_exceptions=[StaleElementReferenceException]
    )
    waiting.until(seen, f"{told} never stood on the page")


def press(browser: Chrome, text: str) -> None:
    [button] = [each for each in browser.find_elements(By.TAG_NAME, "button") if each.text == text]
    button.click()


def sign_in(browser: Chrome, server: Server, key: str) -> None:
    browser.get(server.http("/sign-in"))
    browser.find_element(By.NAME, "key").send_keys(key)
    press(browser, "Sign in")
    wait_for(browser, "Overview")


def follow(browser: Chrome, text: str) -> None:
    browser.find_element(By.LINK_TEXT, text).click()


def fill_in(browser: Chrome, name: str, text: str) -> None:
    """Types into the first field of that name."""
    browser.find_element(By.NAME, name).send_keys(text)


def nothing_was_wrong(browser: Chrome, server: Server) -> list[str]:
    """No complaint in the browser's console, and no request to anywhere else. Returns the URLs that
    were asked for."""
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert [url for url in urls if not url.startswith((server.http("/"), "data:"))] == []
    return urls
