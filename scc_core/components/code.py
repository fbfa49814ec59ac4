"""The code of a user's own component as a part of its identity: a digest of its source, or a version that it declares.

The digest covers the module that defines the component and the modules of the same package or folder that it imports.
It is made from syntax trees and names of modules: comments, formatting, the folder and the machine do not count.
Modules of scc-bench, of Python and of other installed distributions do not count either.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from typing import Any

from scc_core.components.modules import Modules
from scc_core.errors import SccBenchError, UserError, shown
from scc_core.machine.packages import PACKAGES

VERSION = "version "
"""What the code of a component begins with that declares its version; otherwise it is a digest."""

_SHORT = 12


class UnreadableCodeError(UserError):
    """The source of a component cannot be read, and its class declares no version."""


def code_of(what: str, found: object, home: str | None, built: object = None) -> str | None:
    """Return what identifies the code of a component: 64 hexadecimal digits, or ``version`` and what it declares.

    Args:
        what: the component in errors, such as ``defense 'mine:Blur'``.
        found: the class, function or object that its name leads to.
        home: the module that a dotted path or an entry point names; None where neither led to it.
        built: what ``found`` makes, if it is a function: the class of it may declare the version.

    Returns:
        None for a component of scc-bench itself.

    Raises:
        UserError: the version that it declares is none.
        UnreadableCodeError: its source cannot be read.
    """
    root = _defining_module(found, home)
    if root is None:
        return None
    version = _declared(what, found if isinstance(found, type) else type(found if built is None else built))
    if version is not None:
        return f"{VERSION}{version}"
    digests = Modules(root).digests()
    if root not in digests:
        raise UnreadableCodeError(
            f'{what}: the source of its module {root} cannot be read; declare version = "1" in its class, and another '
            "one whenever its code changes"
        )
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


def numerics_of(implementation: type) -> int:
    """Return the version of the numerics of a class of scc-bench, or of the one that a user's class derives from."""
    ours = (base for base in implementation.__mro__ if _is_ours(base.__module__))
    return next((version for base in ours if isinstance(version := getattr(base, "version", None), int)), 1)


def short_code(code: str | None) -> str:
    """Return the code as people see it: a declared version whole, a digest shortened."""
    if code is None:
        return "none"
    return code if code.startswith(VERSION) else code[:_SHORT]


def check_code(what: str, found: str | None, planned: str | None, node: str) -> None:
    """Check that the code of a component on a node is the one that a run was planned for.

    Raises:
        SccBenchError: it is another one.
    """
    if planned is not None and found != planned:
        raise SccBenchError(
            f"the code of {what} on {node} is {short_code(found)}, but the run was planned for {short_code(planned)}"
        )


def _declared(what: str, declaring: type) -> str | None:
    """Return the version that a class itself declares; None where it declares none."""
    version: Any = vars(declaring).get("version")
    # A property tells the version of the data, not of the code.
    if hasattr(version, "__get__"):
        return None
    # A parameter of this name has its value in the key. What a base class declares says nothing of this class.
    parameters = [one.name for one in dataclasses.fields(declaring)] if dataclasses.is_dataclass(declaring) else []
    if version is None or "version" in parameters or _is_ours(declaring.__module__):
        return None
    if not isinstance(version, str) or not version.strip() or not version.isprintable():
        raise UserError(f"{what}: version is {shown(version)}, expected a text such as '2' that changes with its code")
    return version


def _defining_module(found: object, home: str | None) -> str | None:
    """Return the module whose source decides what a component does; None for one of scc-bench or of Python."""
    module = str(getattr(found, "__module__", None) or "builtins")
    defined: object = sys.modules.get(module)
    for part in str(getattr(found, "__qualname__", "")).split("."):
        defined = getattr(defined, part, None)
    own = not _is_ours(module) and module.partition(".")[0] not in sys.stdlib_module_names
    if own and (defined is found or home is None):
        return module
    # The module that names an object, an alias or a class that a function made decides which one it is.
    return None if home is None or _is_ours(home) else home


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES
