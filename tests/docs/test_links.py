"""Links between the documents lead somewhere, and their words are the field's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, FOLDER, README, anchors, images, links, prose, title

# Words of other systems for what is called a charge point, a central system, an id tag here.
FOREIGN = re.compile(r"\b(?:chargers?|charging stations?|CSMS|RFID cards?|EVSE)\b", re.I)


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        if re.match(r"https?://", target):
            continue
        document = (path.parent / target).resolve() if target else path
        if not document.is_file() or (anchor and anchor not in anchors(document)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_pictures_are_there_and_have_words(path: Path) -> None:
    pictures = images(path)
    missing = [each for words, each in pictures if not (words and (path.parent / each).is_file())]
    assert missing == []


@pytest.mark.parametrize("folder_of", [README, FOLDER / "README.md"], ids=title)
def test_every_document_is_linked_from_the_overviews(folder_of: Path) -> None:
    linked = {(folder_of.parent / link.partition("#")[0]).resolve() for link in links(folder_of)}
    assert {*DOCUMENTS} - linked - {README, FOLDER / "README.md"} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_words_are_the_fields(path: Path) -> None:
    assert [line for line in prose(path) if FOREIGN.search(line)] == []


def test_a_broken_anchor_would_be_found() -> None:
    assert "the-audit-trail" in anchors(FOLDER / "operators.md")
    assert "no-such-heading" not in anchors(FOLDER / "operators.md")
