"""The code, packages and machine of a run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from scc_core.environment import processor

_PACKAGES = ("torch", "torchvision", "open_clip_torch", "timm", "transformers", "ray", "polars", "sqlalchemy", "numpy")


def code_version() -> str:
    """Return the version of this distribution; in a checkout also its commit and whether files were changed."""
    version = metadata.version("scc-bench")
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return version
    commit = _git(checkout, "rev-parse", "--short=12", "HEAD")
    changed = "+changes" if _git(checkout, "status", "--porcelain", "--untracked-files=no") else ""
    return f"{version} ({commit}{changed})" if commit else version


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that can change a number."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def python_version() -> str:
    """Return the version of the interpreter."""
    return platform.python_version()


def this_machine() -> dict[str, str]:
    """Return the system, the processor and the number of cores of the driver's machine."""
    return {"system": f"{platform.system()} {platform.machine()}", "cpu": processor(), "cores": str(os.cpu_count())}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
