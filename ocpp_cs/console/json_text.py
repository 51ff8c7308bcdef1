"""JSON as people read it: a property per line."""

from __future__ import annotations

import json


def pretty(text: str) -> str:
    """The same JSON with lines and blanks; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
