"""Class names and templates as prompts, by class: also where several classes have the same name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from scc_core.errors import UserError

_REPEATED = re.compile(r" \(class \d+\)$")


def render_prompts(class_names: Sequence[str], templates: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return for every class its rendered prompts, in label order, by its name.

    Where several classes share a name (Caltech-101 has two kinds of faces that the published tables call a person), the
    keys of the later ones end in their label; the prompts have the plain name.

    Raises:
        UserError: there are no names or no templates, or one of them is none.
    """
    for kind, texts in (("class name", class_names), ("template", templates)):
        if isinstance(texts, str) or not len(texts):
            raise UserError(f"{kind}s are {texts!r}, expected a list of one or more")
        wrong = [text for text in texts if not isinstance(text, str)]
        if wrong:
            raise UserError(f"{kind} {wrong[0]!r} is no text")
    for template in templates:
        if not template.count("{}") == template.count("{") == template.count("}") == 1:
            raise UserError(f"the template {template!r} needs exactly one {{}} for the class name")
    rendered: dict[str, tuple[str, ...]] = {}
    for label, name in enumerate(class_names):
        key = name if name not in rendered else f"{name} (class {label})"
        rendered[key] = tuple(template.format(name) for template in templates)
    return rendered


def prompts_digest(prompts: Mapping[str, tuple[str, ...]]) -> str:
    """Return the SHA-256 of class names and rendered prompts as 64 hexadecimal digits, a part of every cell's key."""
    text = json.dumps(
        [[name, list(texts)] for name, texts in prompts.items()], separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def plain_name(key: str) -> str:
    """Return the class name behind a key of :func:`render_prompts`."""
    return _REPEATED.sub("", key)
