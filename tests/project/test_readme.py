"""The commands that the README promises, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pyarrow as pa
import pytest

from gateway.demo import suggestions
from tests.gateway.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BASE = "http://127.0.0.1:8080"

pytestmark = pytest.mark.client("curl")


def shell_blocks(document: str) -> list[str]:
    return re.findall(
        r"^```sh\n(.*?)^```", ROOT.joinpath(document).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.fixture(scope="module")
def server(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("readme")
    database = shutil.copy(demo, folder / "demo.db")
    with serving(folder / "log", f"sqlite:///{database}", "--access", "write") as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def run(line: str, server: Server, folder: Path) -> str:
    """Runs one line of a document against the server of the test, with `--fail` for curl."""
    line = line.replace(BASE, server.url).replace("curl ", "curl --fail-with-body ", 1)
    if line.startswith("python "):
        line = line.replace("python", shlex.quote(sys.executable), 1)
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_six_commands_do_what_they_say(server: Server, folder: Path) -> None:
    lines = next(block for block in shell_blocks("README.md") if "curl" in block).splitlines()
    assert len(lines) == 6
    outputs = [run(line, server, folder) for line in lines]
    with pa.OSFile(str(folder / "li.arrow")) as file:
        assert pa.ipc.open_stream(file).read_all().num_rows == 60175
    shaped = outputs[2].splitlines()
    assert shaped[0] == "l_orderkey,l_comment"
    assert len(shaped) == 6
    assert json.loads(outputs[3]) == [{"count(*)": 60175}]
    assert outputs[4].count("<D:response>") > 9
    assert f"{server.url}/main/lineitem.parquet" in outputs[5]


@pytest.mark.parametrize("document", ["docs/http.md"])
def test_the_commands_of_the_documentation_succeed(server: Server, folder: Path, document: str) -> None:
    commands = [line for block in shell_blocks(document) for line in block.replace("\\\n", "").splitlines()]
    assert commands
    for command in commands:
        run(command, server, folder)


def test_what_the_demo_suggests_works(server: Server, folder: Path) -> None:
    commands = suggestions(server.url + "/", "write").splitlines()
    assert len(commands) == 6
    for command in commands:
        run(command, server, folder)


def test_pandas_reads_the_chained_url(demo: Path) -> None:
    url = next(
        url for url in re.findall(r'"(db\+sqlite://[^"]+)"', ROOT.joinpath("README.md").read_text("utf-8"))
    )
    with fsspec.open(url.replace("/srv/shop.db", str(demo))) as file:
        assert file.read(4) == b"PAR1"
