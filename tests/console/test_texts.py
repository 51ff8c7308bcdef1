"""Texts: every language has all of them, every one is used, and no template has its own."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from jinja2 import nodes
from markupsafe import Markup

from ocpp_cs.api_keys import ROLES
from ocpp_cs.console import charge_point, page
from ocpp_cs.console.texts import LANGUAGES, UnknownText, parameters_of
from ocpp_cs.ocpp16.messages.core import ChargePointStatus

ENGLISH = LANGUAGES["en"].texts
TEMPLATES = sorted(page.TEMPLATES.rglob("*.html"))
MODULES = sorted(page.TEMPLATES.parent.glob("*.py"))
# What formats and languages take by a name that they put together.
OF_FORMATS = re.compile(r"(language|number|time|unit)\.\w+")
_SPOKEN_ATTRIBUTES = {"title", "alt", "placeholder", "aria-label", "aria-description"}


def name_of(template: Path) -> str:
    return template.relative_to(page.TEMPLATES).as_posix()


def parsed(template: Path) -> nodes.Template:
    return page.environment.parse(template.read_text(encoding="utf-8"))


def calls(template: Path) -> Iterator[tuple[str, bool, set[str]]]:
    """Key, whether that is only how it begins, and the parameters of each text of a template."""
    for call in parsed(template).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            names = {each.key for each in call.kwargs}
            given = call.args[0]
            if isinstance(given, nodes.Const):
                yield given.value, False, names
            elif isinstance(given, nodes.Concat) and isinstance(given.nodes[0], nodes.Const):
                yield given.nodes[0].value, True, names
            else:
                assert name_of(template) == "charge_point/tab.html", (
                    f"{name_of(template)}: begin the key of a text with what is known of it"
                )


def forms(key: str) -> list[str]:
    """The keys of a text and of its plural."""
    return [each for each in (key, f"{key}.one", f"{key}.other") if each in ENGLISH]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_the_same_texts_with_the_same_parameters(code: str) -> None:
    texts = LANGUAGES[code].texts
    assert texts.keys() == ENGLISH.keys()
    different = [
        key for key, text in texts.items() if parameters_of(text) != parameters_of(ENGLISH[key])
    ]
    assert different == []
    assert [key for key, text in texts.items() if not text.strip()] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_every_text_of_a_template_exists_with_its_parameters(template: Path) -> None:
    for key, begins, given in calls(template):
        found = [each for each in ENGLISH if each.startswith(key)] if begins else forms(key)
        assert found, f"{name_of(template)}: there is no text {key!r}"
        if begins:
            assert key.endswith("."), f"{name_of(template)}: {key!r} is no whole table"
        for each in found:
            # That of one need not say how many.
            wanted = parameters_of(ENGLISH[each]) | (given & {"count"})
            assert wanted == given, f"{name_of(template)}: {each}"


def test_every_text_is_used() -> None:
    used = {text for _, text in charge_point.TABS}
    for template in TEMPLATES:
        for key, begins, _ in calls(template):
            used |= {each for each in ENGLISH if begins and each.startswith(key)} | set(forms(key))
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used |= set(forms(node.value))
    assert [key for key in ENGLISH if key not in used and not OF_FORMATS.fullmatch(key)] == []


class Spoken(HTMLParser):
    """Collects what a person would read: text between tags, and of the attributes some."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.texts += [value or "" for name, value in attributes if name in _SPOKEN_ATTRIBUTES]
        assert not [name for name, _ in attributes if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_a_template_has_no_words_of_its_own(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
    # What is typed is the same in every language.
    bare = re.sub(r"<code>.*?</code>", "", bare, flags=re.DOTALL)
    reader = Spoken()
    reader.feed(bare)
    told = "".join(reader.texts)
    assert not set(told) & set(string.ascii_letters), told.split()


def test_every_status_and_role_has_words() -> None:
    for status in (*get_args(ChargePointStatus), "Offline"):
        assert f"status.{status}" in ENGLISH
    for role in ROLES:
        assert f"role.{role}" in ENGLISH


def test_what_is_put_into_a_text_is_escaped() -> None:
    text = LANGUAGES["en"].text
    assert text("overview.charged", energy="<b>") == "&lt;b&gt; charged so far"
    assert text("overview.charged", energy=Markup("<b>1</b>")) == "<b>1</b> charged so far"
    assert "&lt;this server&gt;" in text("overview.empty.hint")


@pytest.mark.parametrize(
    ("code", "count", "shown"),
    [
        ("en", 0, "measured in 0 sessions"),
        ("en", 1, "measured in 1 session"),
        ("en", 1234, "measured in 1,234 sessions"),
        ("de", 1234, "in 1.234 Ladevorgängen gemessen"),
    ],
)
def test_counts_have_their_plural(code: str, count: int, shown: str) -> None:
    assert LANGUAGES[code].text("overview.measured", count=count) == shown


def test_an_unknown_text_is_an_error() -> None:
    with pytest.raises(UnknownText):
        LANGUAGES["en"].text("overview.nothing")
