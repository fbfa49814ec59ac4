"""Where Python finds this project's packages: they come before what a user's folder holds under the same names."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from scc_core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("scc_core", "workers", "orchestrator", "dashboards")


def plugin_folders() -> tuple[str, ...]:
    """Return the folders that a Ray driver puts in front of its workers' search path, less that of this project.

    They are the folder of its script and the working folder, spelled as Ray spells them.
    """
    folders = (str(Path(os.path.realpath(sys.argv[0])).parent), str(Path.cwd()))
    return tuple(folder for folder in dict.fromkeys(folders) if Path(folder).resolve() != ROOT)


def namesakes(folder: Path) -> list[str]:
    """Return the names of this project's packages under which ``folder`` holds something else."""
    if folder.resolve() == ROOT or (folder / "orchestrator" / "cli" / "main.py").is_file():
        return []
    return [name for name in PACKAGES if (folder / name / "__init__.py").is_file() or (folder / f"{name}.py").is_file()]


def check_found_first() -> None:
    """Check that Python finds this project's packages under their names.

    Raises:
        UserError: something else comes first on Python's path; the text says where it lies.
    """
    for name in PACKAGES:
        spec = find_spec(name)
        found = [Path(place).resolve() for place in (spec.submodule_search_locations or [])] if spec else []
        if ROOT / name not in found:
            place = found[0] if found else spec.origin if spec else "nothing"
            raise UserError(
                f"Python finds {place} under the name {name}, which is a package of scc-bench: rename it, or take its "
                "folder out of PYTHONPATH"
            )
