"""What may be a charge point's identity (R1, OCPP-J §3.1.1).

Decoding it from a URL is the gateway's work.
"""

from __future__ import annotations

LONGEST_IDENTITY = 48


def check_identity(identity: str) -> str | None:
    """None for an identity that can be used, else what is wrong with it.

    A colon cannot stand in the user name of HTTP Basic authentication, a slash ends the URL
    segment.
    """
    if not identity:
        return "it is empty"
    if len(identity) > LONGEST_IDENTITY:
        return f"it is longer than {LONGEST_IDENTITY} characters"
    if "/" in identity or ":" in identity:
        return "it holds a slash or a colon"
    if not identity.isprintable():
        return "it holds a control character"
    return None
