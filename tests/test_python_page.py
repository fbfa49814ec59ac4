"""Every snippet of the page on Python runs, in order, and says what the page says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "python.md"


def snippets_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.slow
def test_the_snippet_of_the_readme_runs(capsys):
    (snippet,) = snippets_of(ROOT / "README.md")
    exec(compile(snippet, "README.md", "exec"), {})
    setting, *results = capsys.readouterr().out.splitlines()
    assert setting == "demo-clip on demo/shapes, 50 samples, pgd at 4/255 (transfer)"
    assert [line.split(":")[0].strip() for line in results] == ["none", "shift", "scc"]


@pytest.mark.slow
def test_the_snippets_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    snippets = snippets_of(PAGE)
    assert len(snippets) == 6
    names: dict[str, object] = {}
    printed = []
    for number, snippet in enumerate(snippets):
        exec(compile(snippet, f"snippet {number} of {PAGE.name}", "exec"), names)
        printed.append(capsys.readouterr().out)
    first = printed[0].splitlines()
    assert first[0] == "demo-clip on demo/shapes, 50 samples, pgd at 4/255 (transfer)"
    assert [line.split(":")[0].strip() for line in first[1:]] == ["none", "ttc", "scc"]
    # FGSM moves every pixel that may move by the whole radius.
    assert "tensor(8.0" in printed[4]
    assert names["done"].failed == 0
    assert names["done"].results().height == 4
    assert names["run"](names["grid"], database="sqlite:///results.db", num_workers=1).measured == 0
