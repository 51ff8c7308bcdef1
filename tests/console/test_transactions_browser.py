"""Transactions and id tags in a real browser, as a person uses them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import complaints, requested_urls
from tests.charge_point import Day, connect
from tests.conftest import StartServer
from tests.console.test_browser import press, wait_for
from tests.e2e.test_swagger import operator_key
from tests.servers import Server

_DEADLINE_S = 30.0


def signed_in(running: Server, browser: Chrome) -> None:
    browser.get(running.http("/"))
    browser.find_element(By.NAME, "key").send_keys(operator_key(running))
    press(browser, "Sign in")
    wait_for(browser, "No charge point yet")


def has_nothing_to_complain_about(running: Server, browser: Chrome) -> None:
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert [u for u in urls if not u.startswith((running.http("/"), "data:"))] == []


def corners(browser: Chrome) -> int:
    """The points of the curves on the page."""
    curves = browser.find_elements(By.CSS_SELECTOR, "polyline.curve")
    return sum(len((curve.get_attribute("points") or "").split()) for curve in curves)


def test_a_transaction_has_its_curve(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0")
    signed_in(running, browser)
    url = running.http("").replace("http:", "ws:") + "/ocpp"
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    with connect(url, "CP-1") as charge_point:
        day = Day(charge_point, at=at)
        day.boot()
        day.start()
        day.meter(1000, 10)
        browser.find_element(By.LINK_TEXT, "Transactions").click()
        wait_for(browser, "CP-1 Connector 1", "Running")
        browser.find_element(By.LINK_TEXT, str(day.transaction_id)).click()
        wait_for(browser, "Power over time", "still running", "1.00 kWh")
        before = corners(browser)
        assert before > 0
        day.meter(2000, 10)
        wait_for(browser, "3.00 kWh")
        WebDriverWait(browser, _DEADLINE_S).until(lambda b: corners(b) > before)
        day.meter(500, 10)
        day.stop(500)
        wait_for(browser, "Ended", "4.00 kWh", "Stopped")
        browser.find_element(By.XPATH, "//summary[contains(., 'StopTransaction')]").click()
        wait_for(browser, '"meterStop": 14000')
    has_nothing_to_complain_about(running, browser)


def test_id_tags_are_imported_and_learned(
    server: StartServer, browser: Chrome, tmp_path: Path
) -> None:
    running = server(API_WITHOUT_KEY="0", UNKNOWN_ID_TAGS="closed")
    signed_in(running, browser)
    file = tmp_path / "tags.csv"
    file.write_text("id_tag,note\nCARD-1,Front desk\nCARD-2,\n")
    browser.find_element(By.LINK_TEXT, "Id tags").click()
    wait_for(browser, "No id tag yet")
    browser.find_element(By.LINK_TEXT, "Import").click()
    wait_for(browser, "CSV file")
    browser.find_element(By.NAME, "file").send_keys(str(file))
    press(browser, "Check first")
    wait_for(browser, "nothing has changed yet", "New 2")
    press(browser, "Import now")
    wait_for(browser, "The file was imported.")
    browser.find_element(By.LINK_TEXT, "Id tags").click()
    wait_for(browser, "CARD-1", "Front desk", "CARD-2")
    browser.find_element(By.LINK_TEXT, "Learn the next unknown card").click()
    wait_for(browser, "Hold the card to a reader now")
    url = running.http("").replace("http:", "ws:") + "/ocpp"
    with connect(url, "CP-1") as charge_point:
        day = Day(charge_point, id_tag="CARD-1")
        day.boot()
        day.authorize()
        assert day.authorize(idTag="04A1B2")["idTagInfo"]["status"] == "Invalid"
        wait_for(browser, "Seen: 04A1B2", "CP-1", "Authorize")
        browser.find_element(By.NAME, "note").send_keys("found")
        press(browser, "Add")
        wait_for(browser, "04A1B2", "May charge")
        assert day.authorize(idTag="04a1b2")["idTagInfo"]["status"] == "Accepted"
    has_nothing_to_complain_about(running, browser)
