"""A day of an operator in a real browser: watches a fleet, imports id tags, adds a charge point and
sees it come, starts and stops a session there, looks at its curve, and leaves.

What the charge point says is as hostile as its fields allow; what is typed into it is taken from
the page, nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.charge_point import Day, HandshakeRefused, connect
from tests.conftest import StartServer
from tests.console.steps import (
    BOOT,
    MODEL,
    SCRIPT,
    VENDOR,
    at_rest,
    click,
    fill_in,
    follow,
    nothing_was_wrong,
    press,
    sign_in,
    wait_for,
    words_of,
)
from tests.servers import PROJECT, Server, wait_until

NEW = "HARBOUR-<b>7"
CARD = "CARD-7"
ANSWERS = {
    "RemoteStartTransaction": lambda _: {"status": "Accepted"},
    "RemoteStopTransaction": lambda _: {"status": "Accepted"},
    "ChangeAvailability": lambda _: {"status": "Scheduled"},
}


def value(browser: Chrome, id: str) -> str:
    return str(at_rest(browser, lambda page: page.find_element(By.ID, id).get_property("value")))


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
def test_the_walk(server: StartServer, browser: Chrome, tmp_path: Path) -> None:
    running = server(API_WITHOUT_KEY="0")
    sign_in(browser, running, running.api_key("admin"))
    watch_a_fleet(browser, running)
    import_id_tags(browser, tmp_path)
    follow(browser, "Charge points")
    follow(browser, "Add a charge point")
    fill_in(browser, "identity", NEW)
    press(browser, "Add it")
    wait_for(browser, f"Connect {NEW}", "No attempt yet")
    url, user, key = (value(browser, id) for id in ("url", "user", "key"))
    assert value(browser, "whole-url") == f"{url}/HARBOUR-%3Cb%3E7"
    # First somebody mistypes the key.
    with pytest.raises(HandshakeRefused):
        connect(url, user, password=key[::-1].encode())
    wait_for(browser, "Enter the right password")
    with connect(url, user, password=key.encode(), answers=ANSWERS) as charge_point:
        day = Day(charge_point, id_tag=CARD, at=datetime.now(UTC) - timedelta(hours=1))
        see_it_come(browser, day)
        # The key stays until the page is left, whatever has arrived.
        assert value(browser, "key") == key
        see_what_it_says_as_text(browser)
        start_and_stop(browser, day)
        send_a_command(browser, day)
    wait_for(browser, "Offline for")
    press(browser, "Sign out")
    wait_for(browser, "API key")
    browser.get(running.http("/charge-points"))
    wait_for(browser, "API key")
    urls = nothing_was_wrong(browser, running)
    for part in ("now", "progress", "connectors", "figures", "events", "commands"):
        assert any(f"fragment={part}" in each for each in urls), part


def watch_a_fleet(browser: Chrome, server: Server) -> None:
    """The overview changes while a simulated fleet runs; it is not loaded anew."""
    wait_for(browser, "No charge point yet", "Nobody is charging")
    # The viewer opens a table; it stays open whatever changes.
    click(browser, By.TAG_NAME, "summary")
    fleet = simulate(server)
    try:
        wait_for(browser, "3 of 3")
        wait_until(lambda: "Nobody is charging" not in words_of(browser), seconds=60)
    finally:
        fleet.terminate()
        fleet.wait(30)
    wait_for(browser, "0 of 3", "3 offline")
    assert browser.find_element(By.TAG_NAME, "details").get_attribute("open") is not None


def import_id_tags(browser: Chrome, folder: Path) -> None:
    file = folder / "tags.csv"
    file.write_text(f"id_tag,note\n{CARD},Front desk\nCARD-8,\n")
    follow(browser, "Id tags")
    wait_for(browser, "No id tag yet")
    follow(browser, "Import")
    wait_for(browser, "CSV file")
    fill_in(browser, "file", str(file))
    press(browser, "Check first")
    wait_for(browser, "nothing has changed yet", "New 2")
    press(browser, "Import now")
    wait_for(browser, "The file was imported.")
    follow(browser, "Id tags")
    wait_for(browser, CARD, "Front desk", "CARD-8")


def see_it_come(browser: Chrome, day: Day) -> None:
    wait_for(browser, "Last seen")
    day.charge_point.call("BootNotification", BOOT)
    wait_for(browser, f"{VENDOR} {MODEL} {SCRIPT}")
    day.status("Faulted", errorCode="OtherError", info=SCRIPT, vendorErrorCode=SCRIPT)
    wait_for(browser, "Told its status", "Faulted", f"It works. {NEW}")


def see_what_it_says_as_text(browser: Chrome) -> None:
    follow(browser, NEW)
    wait_for(browser, SCRIPT, "Online", "OtherError")
    follow(browser, "Messages")
    wait_for(browser, "BootNotification")
    click(browser, By.XPATH, "//summary[contains(., 'BootNotification')]")
    wait_for(browser, *(f'"{name}": "{told}"' for name, told in BOOT.items()))
    follow(browser, "Charge points")
    wait_for(browser, f"{VENDOR} {MODEL}", NEW)
    follow(browser, "Overview")
    wait_for(browser, f"Connector 1 reports OtherError. {SCRIPT}")


def start_and_stop(browser: Chrome, day: Day) -> None:
    """From the page of the charge point; meanwhile the transaction is looked at."""
    charge_point = day.charge_point
    day.status("Preparing")
    follow(browser, "Charge points")
    follow(browser, NEW)
    wait_for(browser, "Preparing", "Start")
    fill_in(browser, "idTag", CARD)
    press(browser, "Start")
    wait_for(browser, "Remote start Accepted")
    asked = charge_point.wait_for_call("RemoteStartTransaction")
    assert asked == {"connectorId": 1, "idTag": CARD}
    id = day.start()["transactionId"]
    day.meter(1000, 10)
    # The form beside the connector becomes that of the session.
    wait_for(browser, "Stop")
    follow(browser, str(id))
    wait_for(browser, "Power over time", "still running", "1.00 kWh")
    before = corners(browser)
    assert before > 0
    day.meter(2000, 10)
    wait_for(browser, "3.00 kWh")
    wait_until(lambda: corners(browser) > before, seconds=30)
    follow(browser, NEW)
    wait_for(browser, "Stop")
    press(browser, "Stop")
    wait_for(browser, "Remote stop Accepted")
    assert charge_point.wait_for_call("RemoteStopTransaction") == {"transactionId": id}
    follow(browser, str(id))
    wait_for(browser, "Power over time")
    day.stop(500, reason="Remote")
    wait_for(browser, "Ended", "3.50 kWh", "Stopped")
    click(browser, By.XPATH, "//summary[contains(., 'StopTransaction')]")
    wait_for(browser, '"meterStop": 13500')


def send_a_command(browser: Chrome, day: Day) -> None:
    """By way of a form."""
    follow(browser, NEW)
    wait_for(browser, "Start")
    follow(browser, "Commands")
    follow(browser, "Change availability")
    fill_in(browser, "connectorId", "1")
    Select(browser.find_element(By.NAME, "type")).select_by_value("Inoperative")
    press(browser, "Send")
    wait_for(browser, "Change availability In force after the session")
    assert day.charge_point.wait_for_call("ChangeAvailability")["type"] == "Inoperative"


def corners(browser: Chrome) -> int:
    """The points of the curves on the page."""
    curves = "return [...document.querySelectorAll('polyline.curve')].map(one => one.points.length)"
    return sum(at_rest(browser, lambda page: page.execute_script(curves)))


def test_a_key_is_copied(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0")
    sign_in(browser, running, running.api_key("operator"))
    browser.get(running.http("/onboarding"))
    fill_in(browser, "identity", "HARBOUR-7")
    press(browser, "Add it")
    wait_for(browser, "Connect HARBOUR-7")
    origin = running.http("")
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": allowed, "origin": origin})
    click(browser, By.CSS_SELECTOR, "[data-copy=key]")
    wait_for(browser, "Copied")
    read = "navigator.clipboard.readText().then(arguments[0])"
    assert browser.execute_async_script(read) == value(browser, "key")
    nothing_was_wrong(browser, running)
