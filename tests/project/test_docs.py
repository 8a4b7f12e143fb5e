import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


def test_tables_are_what_the_code_says() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_backend_of_the_documentation_runs() -> None:
    text = ROOT.joinpath("docs", "python-backends.md").read_text("utf-8")
    program = text.partition("```python\n")[2].partition("```")[0]
    exec(compile(program, "python-backends.md", "exec"), {"__name__": "documentation"})


def test_every_target_of_make_is_listed_by_help() -> None:
    makefile = ROOT.joinpath("Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: (\w+)", makefile, re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\w+)", listed, re.MULTILINE)) == phony
