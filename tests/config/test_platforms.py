"""Platforms by what they set, and what stays of a file there."""

from __future__ import annotations

import pytest

from config.platforms import PLATFORMS, Platform, is_lost, mount_of, mounts, platform_of, vanishes

HEROKU, RENDER, FLY, RAILWAY = PLATFORMS
# As in a container: its own layer, and a disk.
CONTAINER = """\
1 0 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a
2 1 0:51 / /proc rw - proc proc rw
3 1 0:52 / /dev/shm rw - tmpfs shm rw
4 1 254:1 / /data rw,relatime - ext4 /dev/vdc rw
5 1 254:2 / /with\\040blank rw - xfs /dev/vdd rw
"""
MACHINE = "1 0 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"


def test_a_platform_is_known_by_what_it_sets() -> None:
    for platform in PLATFORMS:
        assert platform_of({platform.variable: "x"}) is platform
    assert platform_of({"DYNO": "", "HOME": "/root"}) is None


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/data/ocpp_cs.db", "/data", "ext4"),
        ("/data", "/data", "ext4"),
        ("/database/x.db", "/", "overlay"),
        ("/dev/shm/x.db", "/dev/shm", "tmpfs"),
        ("/with blank/x.db", "/with blank", "xfs"),
    ],
)
def test_the_mount_of_a_file(path: str, point: str, kind: str) -> None:
    assert mount_of(path, CONTAINER) == (point, kind)


@pytest.mark.parametrize("platform", [RENDER, FLY, RAILWAY])
def test_a_disk_or_volume_keeps_a_file(platform: Platform) -> None:
    assert not is_lost("/data/x.db", platform, CONTAINER)
    assert is_lost("/app/data/x.db", platform, CONTAINER)
    assert is_lost("/dev/shm/x.db", platform, CONTAINER)
    # The root of a Fly machine is a disk, too, and made anew with each release.
    assert is_lost("/app/data/x.db", platform, MACHINE)


def test_nothing_keeps_a_file_on_heroku() -> None:
    assert is_lost("/data/x.db", HEROKU, CONTAINER)


def test_elsewhere_only_layers_and_memory_vanish() -> None:
    assert vanishes("/app/x.db", CONTAINER)
    assert vanishes("/dev/shm/x.db", CONTAINER)
    assert not vanishes("/data/x.db", CONTAINER)
    assert not vanishes("/var/lib/x.db", MACHINE)
    assert not vanishes("/var/lib/x.db", "")


def test_this_machine_says_what_is_mounted() -> None:
    assert mount_of("/proc/self", mounts())[1] == "proc"
