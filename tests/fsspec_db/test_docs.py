from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "filesystem.md"


def test_the_examples_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = "\n".join(re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL))
    names: dict[str, object] = {"__name__": "documentation"}
    exec(compile(program, DOCUMENT.name, "exec"), names)
    assert "fs" in names
