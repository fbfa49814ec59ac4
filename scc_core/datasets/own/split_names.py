"""Names of splits, where a user's data has them in the place of classes or does not say which one is meant."""

from __future__ import annotations

import re

SPLIT_NAMES = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "holdout", "eval", "evaluation"}
)
"""Folders of these names alone are splits, in any case."""

_LIKE_A_SPLIT = re.compile(
    rf"({'|'.join(sorted(SPLIT_NAMES | {'trainval', 'development'}))})(set|split|data|images)?\d*"
)


def is_split_name(name: str) -> bool:
    """Tell whether a folder or a value has a name as splits have it: ``train``, ``Test``, ``val2017``, ``test_set``."""
    return _LIKE_A_SPLIT.fullmatch(re.sub(r"[\s_-]+", "", name).lower()) is not None
