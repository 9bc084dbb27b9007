# SPDX-License-Identifier: Apache-2.0
"""The conditions of a measurement: machine line, commit, date. Never a host name or a path."""

import datetime
import os
import platform
import subprocess


def machine(compiler="g++"):
    """What a reader needs to judge the numbers, as a dictionary."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "distro": _distro(),
        "compiler": first_line([compiler, "--version"]),
        "load_1m": round(os.getloadavg()[0], 2),
    }


def commit(root):
    """The commit that was measured; '-dirty' if anything but results differs from it."""
    name = first_line(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"])
    if name is None:
        return "uncommitted"
    changed = subprocess.run(
        ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no", "--", ".",
         ":!bench/results"],
        capture_output=True, text=True, check=False).stdout
    return name + ("-dirty" if changed.strip() else "")


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def first_line(argv):
    """First line a command prints, or None if it is missing or fails."""
    try:
        result = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = result.stdout.strip().splitlines()
    return lines[0].strip() if result.returncode == 0 and lines else None


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def _distro():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"
