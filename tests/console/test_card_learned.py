"""The next unknown card is learned, in a real browser, as a person does it."""

from __future__ import annotations

from selenium.webdriver import Chrome

from tests.charge_point import Day, connect
from tests.conftest import StartServer
from tests.console.steps import fill_in, follow, nothing_was_wrong, press, sign_in, wait_for


def test_an_unknown_card_is_learned(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0", UNKNOWN_ID_TAGS="closed")
    running.flask("id-tag", "add", "CARD-1")
    sign_in(browser, running, running.api_key("operator"))
    follow(browser, "Id tags")
    follow(browser, "Learn the next unknown card")
    wait_for(browser, "Hold the card to a reader now")
    url = running.http("").replace("http:", "ws:") + "/ocpp"
    with connect(url, "CP-1") as charge_point:
        day = Day(charge_point, id_tag="CARD-1")
        day.boot()
        day.authorize()
        assert day.authorize(idTag="04A1B2")["idTagInfo"]["status"] == "Invalid"
        wait_for(browser, "Seen: 04A1B2", "CP-1", "Authorize")
        fill_in(browser, "note", "found")
        press(browser, "Add")
        wait_for(browser, "04A1B2", "May charge")
        assert day.authorize(idTag="04a1b2")["idTagInfo"]["status"] == "Accepted"
    nothing_was_wrong(browser, running)
