"""Swagger UI in a real browser: an operator starts a charging session from the page.

Nothing of the page is taken for granted but what a person sees: names, fields and buttons.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as that
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import (
    CHROMIUM_MISSING,
    chromium_programs,
    complaints,
    open_browser,
    requested_urls,
)
from tests.charge_point import connect
from tests.conftest import IN_CI, StartServer
from tests.servers import PROJECT, Server

PATH = "/api/v1/charge-points/{charge_point_id}/commands/RemoteStartTransaction"
IDENTITY = "CP-OF-THE-BROWSER"  # not the one of the page's example
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}
_DEADLINE_S = 30.0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A browser without history. In CI its absence is a failure, never a skip."""
    programs = chromium_programs()
    if programs is None:
        (pytest.fail if IN_CI else pytest.skip)(CHROMIUM_MISSING)
    with open_browser(programs, tmp_path / "profile") as driver:
        yield driver


def operator_key(server: Server) -> str:
    """A new key, made on the command line beside the running server."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "api-key", "create", "browser"]
    done = subprocess.run(
        [*command, "--role", "operator"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=server.environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [key] = [word.strip(".") for word in done.stdout.split() if word.startswith("ocs_")]
    return key


class Page:
    """Swagger UI, as a person uses it; each step waits until it can be taken."""

    def __init__(self, browser: Chrome) -> None:
        self._browser = browser
        self._wait = WebDriverWait(browser, _DEADLINE_S)

    def authorize(self, key: str) -> None:
        self._click(self._shown(".scheme-container .authorize"))
        self._shown(".dialog-ux .auth-container input").send_keys(key)
        self._click(self._shown(".dialog-ux .auth-btn-wrapper .authorize"))
        self._shown(".dialog-ux .auth-container h6")  # "Authorized"
        self._click(self._shown(".dialog-ux .btn-done"))
        self._wait.until(that.invisibility_of_element((By.CSS_SELECTOR, ".dialog-ux")))

    def open_operation(self, path: str) -> WebElement:
        name = self._shown(f'.opblock-summary-path[data-path="{path}"]')
        self._click(name)
        operation = name.find_element(By.XPATH, "ancestor::*[contains(@class, 'opblock ')][1]")
        self._wait.until(lambda _: operation.find_elements(By.CSS_SELECTOR, ".opblock-body"))
        for try_out in operation.find_elements(By.CSS_SELECTOR, ".try-out__btn:not(.cancel)"):
            if "reset" not in (try_out.get_attribute("class") or ""):
                self._click(try_out)
        return operation

    def fill(self, operation: WebElement, parameter: str, value: str) -> None:
        selector = f'[data-param-name="{parameter}"] input'
        field = self._wait.until(lambda _: operation.find_element(By.CSS_SELECTOR, selector))
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value)
        assert field.get_attribute("value") == value

    def execute(self, operation: WebElement) -> tuple[Any, int, Any]:
        """What was sent as the body, the status that came back, and the answer's body."""
        sent = operation.find_element(By.CSS_SELECTOR, "textarea.body-param__text")
        body = json.loads(sent.get_attribute("value") or "")
        self._click(operation.find_element(By.CSS_SELECTOR, ".btn.execute"))
        status = self._shown(".live-responses-table tbody .response-col_status").text
        answer = self._shown(".live-responses-table .highlight-code code").text
        return body, int(status.split()[0]), json.loads(answer)

    def _shown(self, selector: str) -> WebElement:
        return self._wait.until(that.visibility_of_element_located((By.CSS_SELECTOR, selector)))

    def _click(self, element: WebElement) -> None:
        self._browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        self._wait.until(that.element_to_be_clickable(element)).click()


def test_try_it_out_starts_a_transaction(server: StartServer, browser: Chrome) -> None:
    running = server(API_WITHOUT_KEY="0")
    key = operator_key(running)
    answers = {"RemoteStartTransaction": lambda _: {"status": "Accepted"}}
    url = running.http("").replace("http:", "ws:") + "/ocpp"
    with connect(url, IDENTITY, answers=answers) as charge_point:
        charge_point.call("BootNotification", BOOT)
        browser.get(running.http("/swagger-ui/"))
        page = Page(browser)
        page.authorize(key)
        operation = page.open_operation(PATH)
        page.fill(operation, "charge_point_id", IDENTITY)
        body, status, command = page.execute(operation)
        assert status == 200, command
        assert (command["charge_point_id"], command["status"]) == (IDENTITY, "answered")
        assert command["response"] == {"status": "Accepted"}
        assert charge_point.wait_for_call("RemoteStartTransaction") == body
    assert complaints(browser) == []
    urls = requested_urls(browser)
    assert running.http("/openapi.json") in urls
    assert [u for u in urls if not u.startswith((running.http("/"), "data:"))] == []
