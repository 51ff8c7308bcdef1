"""An operator starts and stops a session from the page of a charge point, in a real browser."""

from __future__ import annotations

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.browser import complaints, requested_urls
from tests.charge_point import Day, connect
from tests.conftest import StartServer
from tests.console.test_browser import press, wait_for
from tests.e2e.test_swagger import operator_key

IDENTITY = "CP-REMOTE"
ANSWERS = {
    "RemoteStartTransaction": lambda _: {"status": "Accepted"},
    "RemoteStopTransaction": lambda _: {"status": "Accepted"},
    "ChangeAvailability": lambda _: {"status": "Scheduled"},
}


def test_a_session_is_started_and_stopped_from_the_page(
    server: StartServer, browser: Chrome
) -> None:
    running = server(API_WITHOUT_KEY="0")
    browser.get(running.http(f"/charge-points/{IDENTITY}"))
    browser.find_element(By.NAME, "key").send_keys(operator_key(running))
    url = running.http("").replace("http:", "ws:") + "/ocpp"
    with connect(url, IDENTITY, answers=ANSWERS) as charge_point:
        day = Day(charge_point, id_tag="CARD-7")
        day.boot()
        day.status("Preparing")
        press(browser, "Sign in")
        wait_for(browser, IDENTITY, "Connector 1")
        browser.find_element(By.NAME, "idTag").send_keys("CARD-7")
        press(browser, "Start")
        wait_for(browser, "Remote start Accepted")
        asked = charge_point.wait_for_call("RemoteStartTransaction")
        assert asked == {"connectorId": 1, "idTag": "CARD-7"}
        id = day.start()["transactionId"]
        # The form beside the connector becomes that of the session, without the page loaded anew.
        wait_for(browser, "Stop")
        press(browser, "Stop")
        wait_for(browser, "Remote stop Accepted")
        assert charge_point.wait_for_call("RemoteStopTransaction") == {"transactionId": id}
        day.stop(500)
        wait_for(browser, "Start")
        # The same by way of a form.
        browser.find_element(By.LINK_TEXT, "Commands").click()
        browser.find_element(By.LINK_TEXT, "Change availability").click()
        browser.find_element(By.NAME, "connectorId").send_keys("1")
        Select(browser.find_element(By.NAME, "type")).select_by_value("Inoperative")
        press(browser, "Send")
        wait_for(browser, "Change availability In force after the session")
        assert charge_point.wait_for_call("ChangeAvailability")["type"] == "Inoperative"
        browser.find_element(By.LINK_TEXT, "Messages").click()
        wait_for(browser, "ChangeAvailability", "StopTransaction")
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert any("fragment=latest" in each for each in urls)
    assert [u for u in urls if not u.startswith((running.http("/"), "data:"))] == []
