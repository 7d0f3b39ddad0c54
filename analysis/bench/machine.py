"""The machine that a report speaks of, and the memory that a process of it has held."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "numba", "numpy", "gradio", "open_clip_torch", "pylance", "av", "decord")


def peak_memory() -> float | None:
    """MB that this process has held at most; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def machine() -> dict:
    """The processor, the system, the versions of packages, and how busy the machine was before."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":")[1] for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0].strip() if names else cpu
    facts = {"cpu": cpu, "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    facts |= {"system": f"{platform.system()} {platform.release()}", "python": platform.python_version()}
    if hasattr(os, "getloadavg"):
        facts["load_before"] = os.getloadavg()[0]  # well below 1 on a quiet machine
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts | {package: number for package in PACKAGES if (number := _version(package))}


def _version(package: str) -> str:
    """Empty where it is not installed: a machine that measures one part needs only what that takes."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
