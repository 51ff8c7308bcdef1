"""Platforms that are known by a variable they set: what becomes of their disk, and how they stop.

It changes nothing on them: settings refuse what would be lost, and `flask doctor` warns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
# Of memory, or of a container's own layer: gone when it is replaced.
_VANISHING = frozenset(("overlay", "tmpfs", "ramfs", "aufs", "overlayfs"))


@dataclass(frozen=True)
class Platform:
    """`variable` is one that it sets.

    `keeps` is what keeps a file there, such as "a volume"; empty: nothing does. `grace_s`: from its
    signal to stop until it kills, unless it is told otherwise with `grace_setting`.
    """

    name: str
    variable: str
    keeps: str
    grace_s: int
    grace_setting: str = ""


PLATFORMS = (
    # Dokku sets DYNO, too; a folder that is mounted there does stay, and that has to be said.
    Platform("Heroku", "DYNO", "", 30),
    Platform("Render", "RENDER", "a disk", 30, "maxShutdownDelaySeconds"),
    Platform("Fly", "FLY_APP_NAME", "a volume", 5, "kill_timeout"),
    Platform("Railway", "RAILWAY_PROJECT_ID", "a volume", 0, "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"),
)


def platform_of(environ: Mapping[str, str]) -> Platform | None:
    """The platform that this process runs on, if it is one of those we know."""
    return next((each for each in PLATFORMS if environ.get(each.variable)), None)


def mount_of(path: str, mountinfo: str) -> tuple[str, str]:
    """Where the file system that holds `path` is mounted, and its kind; empty if nobody says.

    `mountinfo` is the text of /proc/self/mountinfo.
    """
    place = os.path.realpath(path) + "/"
    best = ("", "")
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        point = fields[4].replace("\\040", " ")
        if place.startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, fields[fields.index("-") + 1])
    return best


def vanishes(path: str, mountinfo: str) -> bool:
    """Whether a file there goes with its container, or with the machine's memory."""
    return mount_of(path, mountinfo)[1] in _VANISHING


def is_lost(path: str, platform: Platform, mountinfo: str) -> bool:
    """Whether the platform forgets a file there: nothing keeps files, or it does not lie on it."""
    on_its_own = mount_of(path, mountinfo)[0] not in ("", "/")
    return not (platform.keeps and on_its_own) or vanishes(path, mountinfo)


def mounts() -> str:
    """The text for `mountinfo`; empty where a system has none."""
    return _MOUNTS.read_text(encoding="utf-8") if _MOUNTS.exists() else ""
