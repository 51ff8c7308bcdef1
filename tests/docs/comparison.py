"""Whether a program showed what the document says: the same lines, but not the same times.

A line `...` stands for any lines, `...` at the end of a line for the rest of it.
"""

from __future__ import annotations

import re

_NUMBER = r"\d[\d,.]*"
# What differs from one run to the next, as it stands in a document -> what may stand there. The
# times of the examples themselves are of 2021, and are not among them.
_DIFFERS = (
    (r"20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT00:00:00\.000Z", r"20\d\d-\d\d-\d\dT00:00:00\.000Z"),
    (
        r"20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    ),
    (r"20(?:2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d", r"20\d\d-\d\d-\d\d \d\d:\d\d"),
    (r"[0-9a-f]{40}", r"[0-9a-f]{40}"),
    (r"anon-[0-9a-f]{12}", r"anon-[0-9a-f]{12}"),
    (r"[a-z2-7]{52}", r"[a-z2-7]{52}"),  # the secret of an API key, and the ids of the examples
    (r"k3f7x2ab|p2qy6mzn", r"[a-z2-7]{8}"),
    (r"pid: \d+", r"pid: \d+"),
    (r"\(\d{3,}\)", r"\(\d+\)"),
)


def difference(shown: str, documented: tuple[str, ...], *, figures: bool = False) -> str | None:
    """None, or both texts if they do not say the same. With `figures` all numbers may differ."""
    differs = (*_DIFFERS, (_NUMBER, _NUMBER)) if figures else _DIFFERS
    pattern = "".join(_line(line.rstrip(), differs) for line in documented)
    lines = [line.rstrip() for line in shown.strip("\n").split("\n")]
    if re.fullmatch(pattern, "\n".join(lines) + "\n" if any(lines) else ""):
        return None
    return "\n".join(("documented:", *documented, "", "shown:", *lines))


def _line(line: str, differs: tuple[tuple[str, str], ...]) -> str:
    if line.strip() == "...":
        return r"(?:.*\n)*"
    pattern = ""
    text = line.removesuffix("...")
    while text:
        found = [(match, to) for what, to in differs if (match := re.match(what, text))]
        match, to = found[0] if found else (re.match("(?s:.)", text), "")
        assert match is not None
        pattern += to or re.escape(match[0])
        text = text[match.end() :]
    return pattern + (".*" if line.endswith("...") else "") + r"\n"
