"""One way for every process of a chaos cluster to ask for tokens: not at all.

Ray's nodes ask for one as soon as the home folder has one, which the first local run of a new machine puts there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="package")
def _no_token() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield
