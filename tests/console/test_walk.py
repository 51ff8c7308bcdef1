"""A day of an operator in a real browser: looks, adds a charge point, sees it come, and leaves.

What the charge point says is as hostile as its fields allow; what is typed into it is taken from
the page, nothing else.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser import complaints, requested_urls
from tests.charge_point import Day, HandshakeRefused, connect
from tests.conftest import StartServer
from tests.console.test_browser import BOOT, SCRIPT, press, sign_in, wait_for
from tests.servers import PROJECT, Server, wait_until

NEW = "HARBOUR-<b>7"


def value(browser: Chrome, id: str) -> str:
    return browser.find_element(By.ID, id).get_property("value")  # type: ignore[return-value]


def simulate(server: Server) -> subprocess.Popen[bytes]:
    """Three charge points that charge from the morning on, an hour in six seconds."""
    url = f"ws://127.0.0.1:{server.port}/ocpp"
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "simulate", "--url", url]
    return subprocess.Popen(
        [*command, "--charge-points", "3", "--offline-rate", "0", "--start", "2026-07-01T06:00"],
        cwd=PROJECT,
        env=server.environment,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.timeout(300)
def test_the_walk(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0")
    sign_in(browser, running, running.api_key("admin"))
    wait_for(browser, "No charge point yet")
    fleet = simulate(running)
    try:
        # The page is not loaded anew.
        wait_for(browser, "3 of 3")
        sessions = browser.find_element(By.TAG_NAME, "main")
        wait_until(lambda: "Nobody is charging" not in sessions.text, seconds=60)
    finally:
        fleet.terminate()
        fleet.wait(30)
    browser.find_element(By.LINK_TEXT, "Charge points").click()
    browser.find_element(By.LINK_TEXT, "Add a charge point").click()
    browser.find_element(By.NAME, "identity").send_keys(NEW)
    press(browser, "Add it")
    wait_for(browser, f"Connect {NEW}", "No attempt yet")
    url, user, key = (value(browser, id) for id in ("url", "user", "key"))
    assert value(browser, "whole-url") == f"{url}/HARBOUR-%3Cb%3E7"
    # First somebody mistypes the key.
    with pytest.raises(HandshakeRefused):
        connect(url, user, password=key[::-1].encode())
    wait_for(browser, "Enter the right password")
    with connect(url, user, password=key.encode()) as charge_point:
        wait_for(browser, "Last seen")
        day = Day(charge_point)
        charge_point.call("BootNotification", BOOT)
        wait_for(browser, f"<b>ACME</b> <i>WALLBOX</i> {SCRIPT}")
        day.status("Faulted", errorCode="OtherError", info=SCRIPT, vendorErrorCode=SCRIPT)
        wait_for(browser, "Told its status", "Faulted", f"It works. {NEW}")
        # The key stays until the page is left, whatever has arrived.
        assert value(browser, "key") == key
        browser.find_element(By.LINK_TEXT, NEW).click()
        wait_for(browser, SCRIPT, "Online", "OtherError")
        browser.find_element(By.LINK_TEXT, "Charge points").click()
        wait_for(browser, "<b>ACME</b> <i>WALLBOX</i>", NEW)
        browser.find_element(By.LINK_TEXT, "Overview").click()
        wait_for(browser, f"Connector 1 reports OtherError. {SCRIPT}")
    press(browser, "Sign out")
    wait_for(browser, "API key")
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert any("fragment=progress" in each for each in urls)
    assert [u for u in urls if not u.startswith((running.http("/"), "data:"))] == []


def test_a_key_is_copied(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0")
    sign_in(browser, running, running.api_key("operator"))
    browser.get(running.http("/onboarding"))
    browser.find_element(By.NAME, "identity").send_keys("HARBOUR-7")
    press(browser, "Add it")
    wait_for(browser, "Connect HARBOUR-7")
    origin = running.http("")
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": allowed, "origin": origin})
    button = browser.find_element(By.CSS_SELECTOR, "[data-copy=key]")
    button.click()
    wait_for(browser, "Copied")
    read = "navigator.clipboard.readText().then(arguments[0])"
    assert browser.execute_async_script(read) == value(browser, "key")
    assert complaints(browser) == []
