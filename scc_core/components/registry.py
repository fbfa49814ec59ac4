"""One registry class for models, datasets, attacks and defenses.

Names come from three places: decorators in this package, entry points of installed distributions
(``sccbench.models``, ``sccbench.datasets``, ``sccbench.attacks``, ``sccbench.defenses``), and dotted paths written
in a grid (``package.module:name``), so that a user's own component needs no fork.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import ClassVar, Generic, TypeVar

from scc_core.errors import UserError, unknown_name
from scc_core.machine.packages import PACKAGES

T = TypeVar("T")


class Registry(Generic[T]):
    """Thread-safe mapping from name to component.

    Args:
        kind: the field's word for what is registered, used in errors.
        group: entry-point group that installed distributions may fill.

    Attributes:
        plugins_allowed: whether a name may bring code of its own, by a dotted path or an entry point; a program that
            runs grids of strangers switches it off for all registries.
    """

    plugins_allowed: ClassVar[bool] = True

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self._group = group
        self._entries: dict[str, T] = {}
        # The module that each entry point names.
        self._plugins: dict[str, str] = {}
        self._lock = threading.RLock()
        self._plugins_loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its argument as ``name``.

        Raises:
            ValueError: the name is taken by another component; both are named.
        """

        def decorate(component: T) -> T:
            self.add(name, component)
            return component

        return decorate

    def add(self, name: str, component: T) -> None:
        """Register ``component`` as ``name``; see :meth:`register`."""
        with self._lock:
            taken = self._entries.setdefault(name, component)
        if taken is not component:
            raise ValueError(f"{self.kind} {name!r} is registered twice: {taken!r} and {component!r}")

    def get(self, name: str) -> T:
        """Return the component called ``name``, which may be a dotted path ``package.module:attribute``.

        Raises:
            UserError: no such name, the dotted path cannot be imported, or it is code and none is allowed.
        """
        self._check_allowed(name)
        if name in self._entries:
            return self._entries[name]
        if is_dotted_path(name):
            module_name, _, attribute = name.partition(":")
            try:
                component: T = getattr(importlib.import_module(module_name), attribute)
            except (ImportError, AttributeError) as error:
                package = module_name.partition(".")[0]
                hint = f"; {package} is a package of scc-bench: give yours another name" if package in PACKAGES else ""
                raise UserError(f"{self.kind} {name!r} cannot be imported: {error}{hint}") from None
            except UserError as error:
                raise UserError(f"{self.kind} {name!r} cannot be imported: {error}") from None
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise UserError(f"{self.kind} {name!r} cannot be imported: its module raised {reason}") from error
            return component
        self._load_plugins()
        if name not in self._entries:
            raise unknown_name(self.kind, name, self)
        return self._entries[name]

    def home(self, name: str) -> str | None:
        """Return the module that a dotted path or an entry point names; None for another name."""
        return name.partition(":")[0] if is_dotted_path(name) else self._plugins.get(name)

    def __iter__(self) -> Iterator[str]:
        self._load_plugins()
        return iter(sorted(self._entries if self.plugins_allowed else self._entries.keys() - self._plugins.keys()))

    def _check_allowed(self, name: str) -> None:
        if self.plugins_allowed:
            return
        if is_dotted_path(name):
            raise UserError(f"{self.kind} {name!r} is code of its own, which --no-plugins refuses")
        for entry in entry_points(group=self._group, name=name):
            owner = entry.dist.name if entry.dist is not None else entry.module
            raise UserError(f"{self.kind} {name!r} is code of the package {owner}, which --no-plugins refuses")

    def _load_plugins(self) -> None:
        with self._lock:
            if self._plugins_loaded or not self.plugins_allowed:
                return
            self._plugins_loaded = True
            for entry in entry_points(group=self._group):
                self.add(entry.name, entry.load())
                self._plugins[entry.name] = entry.module


def is_dotted_path(name: str) -> bool:
    """Tell whether ``name`` has the form ``package.module:attribute`` (both parts Python identifiers)."""
    module, separator, attribute = name.partition(":")
    return bool(separator) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))
