"""The console in a real browser: an operator signs in, sees a car being charged, and signs out.

Nothing is done but what a person does; the page is never loaded anew.
"""

from __future__ import annotations

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import complaints, requested_urls
from tests.charge_point import Day, connect
from tests.conftest import StartServer
from tests.e2e.test_swagger import operator_key
from tests.servers import Server

_DEADLINE_S = 30.0
SCRIPT = "<script>alert(1)</script>"  # of 25 characters, as many as a serial number has
BOOT = {
    "chargePointVendor": "<b>ACME</b>",
    "chargePointModel": "<i>WALLBOX</i>",
    "chargePointSerialNumber": SCRIPT,
    "chargeBoxSerialNumber": SCRIPT,
    "firmwareVersion": SCRIPT,
    "iccid": "<b>1</b>",
    "imsi": "<b>2</b>",
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


def test_an_operator_watches_a_session(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0")
    key = operator_key(running)
    sign_in(browser, running, key)
    wait_for(browser, "No charge point yet", "Nobody is charging")
    # The viewer opens a table; it stays open whatever changes.
    summary = browser.find_element(By.TAG_NAME, "summary")
    summary.click()
    url = running.http("").replace("http:", "ws:") + "/ocpp"
    with connect(url, "CP-OF-THE-BROWSER") as charge_point:
        day = Day(charge_point)
        charge_point.call("BootNotification", BOOT)
        day.status("Charging")
        wait_for(browser, "1 of 1", "Charging 1")
        day.start()
        wait_for(browser, "CP-OF-THE-BROWSER Connector 1")
        day.meter(2500)
        wait_for(browser, "2.50 kWh charged so far")
        day.stop(500)
        wait_for(browser, "Nobody is charging")
        assert browser.find_element(By.TAG_NAME, "details").get_attribute("open") is not None
        browser.find_element(By.LINK_TEXT, "Charge points").click()
        wait_for(browser, "<b>ACME</b> <i>WALLBOX</i>")
        browser.find_element(By.LINK_TEXT, "CP-OF-THE-BROWSER").click()
        wait_for(browser, SCRIPT, "Online", "Charging")
    wait_for(browser, "Offline for")
    press(browser, "Sign out")
    wait_for(browser, "API key")
    browser.get(running.http("/charge-points"))
    wait_for(browser, "API key")
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert any("fragment=now" in each for each in urls)
    assert [u for u in urls if not u.startswith((running.http("/"), "data:"))] == []
