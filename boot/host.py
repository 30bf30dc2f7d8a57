# SPDX-License-Identifier: GPL-2.0-only
"""Whether the host has the memory and the disk that a machine takes."""
import os
import re

import machine

UNITS = {"M": 1 << 20, "G": 1 << 30}
# QEMU itself, and what the host needs for itself meanwhile
OVERHEAD = 256 << 20
# The console, QEMU's log and the report; the disks are sparse files, and tests fill them.
LOGS = 64 << 20


def memory_needed(scenario):
    """Bytes. QEMU takes memory only for what the guest touches, of which three quarters of
    MEM is the most that was seen."""
    if scenario["host"]:
        return size(scenario["host"])
    return size(scenario["MEM"]) * 3 // 4 + OVERHEAD


def size(text):
    return int(text[:-1]) * UNITS[text[-1]]


def memory_free(meminfo="/proc/meminfo"):
    """What can be had without swapping; None where the kernel does not tell."""
    try:
        with open(meminfo, encoding="ascii") as file:
            match = re.search(r"(?m)^MemAvailable: *(\d+) kB$", file.read())
    except OSError:
        return None
    return int(match[1]) << 10 if match else None


def disk_free(directory):
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def shortage(scenario, directory, memory=memory_free, disk=disk_free):
    """What the host has too little of for a boot, with both figures, or None."""
    need, have = memory_needed(scenario), memory()
    if have is not None and have < need:
        return (f"MEM={scenario['MEM']} needs {need >> 20} MiB of the host's memory, "
                f"{have >> 20} MiB are available")
    need, have = len(machine.DISKS) * (machine.DISK_MB << 20) + LOGS, disk(directory)
    if have < need:
        return f"a boot needs {need >> 20} MiB of disk, {directory} has {have >> 20} MiB free"
    return None
