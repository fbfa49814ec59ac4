"""The modules of a component: the one that defines it, and those of its package or folder that it imports."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from scc_core.components.source import Import, Source, read_source
from scc_core.machine.packages import PACKAGES

_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


@dataclass(frozen=True)
class _Place:
    """Where a module lies: its file, the folders of a package's modules, and what loads it."""

    file: Path | None
    folders: tuple[str, ...] = ()
    loader: Any = None


class Modules:
    """The modules that the code of a component consists of.

    They are found in the syntax trees, so that those count, too, that a function imports when it is called. The
    ``__init__`` files above an imported module run with it. What these import mostly belongs to other modules of the
    package, so that it counts only if something is asked of the package itself.

    Args:
        root: the loaded module that defines the component.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        module = sys.modules.get(root)
        file = getattr(module, "__file__", None)
        self._places: dict[str, _Place | None] = {root: _place_of(module) if module else None}
        # The folder on Python's path in which the component's module or package lies.
        depth = root.count(".") + (Path(file).name.startswith("__init__.") if file else 0)
        self._folder = Path(file).absolute().parents[depth] if file else None
        self._tops = _of_distribution(root.partition(".")[0]) if self._installed else None

    def digests(self) -> Mapping[str, str]:
        """Return the digest of every module's source by its name; none if the source of the root cannot be read."""
        whole: dict[str, Source] = {}
        pending = [self._root]
        while pending:
            name = pending.pop()
            source = None if name in whole else self._source(name)
            if source is not None:
                whole[name] = source
                for one in source.imports:
                    pending += self._asked_for(one, name)
        found = {name: source.digest for name, source in whole.items()}
        for name in {above for one in whole for above in _above(one)} - found.keys():
            source = self._source(name)
            if source is not None and source.own is not None:
                found[name] = source.own
        return found

    def _asked_for(self, one: Import, importer: str) -> Iterator[str]:
        """Yield the names of the modules that an import takes something of."""
        base = self._absolute(one, importer)
        if one.names is None:
            # `import a.b.c` binds `a`, from which the others are reached.
            yield from (*_above(base), base)
            return
        package = self._source(base)
        exported = package.exports if package is not None and "*" in one.names else ()
        for name in (*one.names, *exported):
            submodule = f"{base}.{name}"
            found = self._place(submodule) is not None
            if found:
                yield submodule
            # A package may give the name of a module of its own to something else.
            if not found or (package is not None and name in package.names):
                yield base

    def _absolute(self, one: Import, importer: str) -> str:
        if not one.level:
            return one.module
        place = self._place(importer)
        parts = importer.split(".")
        # The first dot of a package's own file is the package.
        kept = len(parts) - one.level + bool(place is not None and place.folders)
        return ".".join([*parts[: max(kept, 0)], *filter(None, [one.module])])

    def _source(self, name: str) -> Source | None:
        place = self._place(name)
        if place is None:
            return None
        if place.file is not None and place.file.is_file():
            return read_source(place.file.read_bytes())
        get_source = getattr(place.loader, "get_source", None)
        try:
            text = get_source(name) if get_source is not None else None
        except (ImportError, OSError):
            return None
        return None if text is None else read_source(text)

    def _place(self, name: str) -> _Place | None:
        """Return where a module of the component lies; None for one of another, or none at all."""
        if name not in self._places:
            self._places[name] = self._find(name)
        return self._places[name]

    def _find(self, name: str) -> _Place | None:
        above, _, last = name.rpartition(".")
        if not last or self._folder is None or not self._may_own(name):
            return None
        loaded = sys.modules.get(name)
        if loaded is not None:
            place = _place_of(loaded)
        else:
            parent = self._place(above) if above else _Place(None, (str(self._folder),))
            spec = PathFinder.find_spec(name, parent.folders) if parent is not None and parent.folders else None
            if spec is None:
                return None
            file = Path(spec.origin) if spec.origin and spec.has_location else None
            place = _Place(file, tuple(spec.submodule_search_locations or ()), spec.loader)
        return place if place is not None and self._holds(place) else None

    def _may_own(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top not in PACKAGES and (self._tops is None or top in self._tops)

    def _holds(self, place: _Place) -> bool:
        """Tell whether a module lies in the component's folder, and belongs to no environment that lies there, too."""
        assert self._folder is not None
        for path in [place.file] if place.file is not None else map(Path, place.folders):
            for file, folder in ((path.absolute(), self._folder), (path.resolve(), self._folder.resolve())):
                if file.is_relative_to(folder):
                    foreign = _INSTALLED & set(file.relative_to(folder).parts)
                    return not foreign and not any(file.is_relative_to(standard) for standard in self._standard)
        return False

    @property
    def _installed(self) -> bool:
        return self._folder is not None and self._folder.name in _INSTALLED

    @property
    def _standard(self) -> Iterator[Path]:
        # An installed distribution lies below the standard library itself.
        return iter(() if self._installed else _STANDARD)


def _place_of(module: ModuleType) -> _Place | None:
    """Return where a loaded module lies."""
    file, spec = getattr(module, "__file__", None), getattr(module, "__spec__", None)
    folders = tuple(map(str, getattr(module, "__path__", ())))
    if not file and not folders and spec is None:
        return None
    return _Place(Path(file) if file else None, folders, getattr(spec, "loader", None))


def _above(name: str) -> list[str]:
    """Return the packages that a module lies in, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _of_distribution(top: str) -> set[str]:
    """Return the top-level names of the installed distributions that hold the name ``top``."""
    owners = packages_distributions()
    return {name for name, holding in owners.items() if set(holding) & set(owners.get(top, ()))} | {top}
