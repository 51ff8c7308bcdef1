"""What a process has used, as the kernel counts it (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    """Memory of the process that is in use, in KiB; what it shares counts in proportion."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0])
    raise RuntimeError(f"process {pid} has no memory")


def cpu_seconds(pid: int) -> float:
    """Processor time of the process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def open_sockets(pid: int) -> int:
    """Sockets that the process has open."""
    found = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(entry.path).startswith("socket:")
        except FileNotFoundError:  # it was closed meanwhile
            continue
    return found
