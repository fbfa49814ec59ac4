"""The source of a Python module: a digest of what it does, and what it imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_KEPT = 1024
_IMPORTERS = ("import_module", "__import__")


@dataclass(frozen=True)
class Import:
    """One statement or call that imports.

    Attributes:
        module: the dotted name after ``from`` or ``import``; empty in ``from . import x``.
        level: number of leading dots.
        names: what is taken from it; None for ``import a.b``, which takes the module as a whole.
    """

    module: str
    level: int = 0
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """What is known of the source of a module.

    Attributes:
        digest: SHA-256 of its syntax tree, so that comments and formatting do not count; of its bytes if it has none.
        own: the same of what it does beside importing and naming what it exports; None if that is nothing.
        imports: what it imports, anywhere in it.
        exports: the texts in its ``__all__``.
        names: what it defines, assigns or takes from other modules at its top level.
    """

    digest: str
    own: str | None = None
    imports: tuple[Import, ...] = ()
    exports: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


@lru_cache(maxsize=_KEPT)
def read_source(content: bytes | str) -> Source:
    """Return what is known of a source: text or bytes of Python, or the bytes of a compiled module."""
    try:
        tree = ast.parse(content)
        own = [node for node in tree.body if not _only_imports(node)]
        return Source(
            _digest(tree),
            _digest(own) if own else None,
            tuple(_imports(tree)),
            tuple(_exports(tree)),
            frozenset(_names(tree)),
        )
    except (SyntaxError, ValueError, RecursionError):
        plain = hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
        return Source(plain, plain)


def _digest(tree: ast.AST | Sequence[ast.AST]) -> str:
    parts: list[str] = []
    _write(tree, parts)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _write(value: object, parts: list[str]) -> None:
    """Write a syntax tree as text.

    ``ast.dump`` would write what newer versions of Python add to a node although nothing of it is used.
    """
    if isinstance(value, ast.AST):
        parts.append(f"{type(value).__name__}(")
        for name, child in ast.iter_fields(value):
            if child is not None and child != []:
                parts.append(f"{name}=")
                _write(child, parts)
        parts.append(")")
    elif isinstance(value, list):
        parts.append("[")
        for child in value:
            _write(child, parts)
        parts.append("]")
    else:
        parts.append(f"{type(value).__name__}:{value!a},")


def _only_imports(node: ast.stmt) -> bool:
    """Tell whether a statement imports, is a docstring or names what a module exports."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Import | ast.ImportFrom) or _exported(node) is not None


def _exported(node: ast.AST) -> ast.expr | None:
    """Return the value that a statement gives ``__all__``."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    named = any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
    value: ast.expr | None = getattr(node, "value", None) if named else None
    return value


def _exports(tree: ast.Module) -> Iterator[str]:
    for value in filter(None, map(_exported, tree.body)):
        texts = (node.value for node in ast.walk(value) if isinstance(node, ast.Constant))
        yield from (text for text in texts if isinstance(text, str))


def _names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (alias.asname or alias.name for alias in node.names)


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.module or "", node.level, tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and node.args:
            function, first = node.func, node.args[0]
            called = getattr(function, "attr", getattr(function, "id", None))
            if called in _IMPORTERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                module = first.value.lstrip(".")
                yield Import(module, len(first.value) - len(module))
