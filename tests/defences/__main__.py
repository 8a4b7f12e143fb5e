"""Takes the defences out, one at a time, in a copy of the tree, and runs the tests that must then fail.

python -m tests.defences [invariant or words of a title ...]

The copy stays in `.venv/defences`, so that the bridge compiles incrementally; the checkout is never
changed. The tests must pass first with every defence in place.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.defences.table import ROOT, Defence, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COPY: Final = ROOT / ".venv" / "defences"
MODULE: Final = Path("fsspec_db", "_bridge.abi3.so")
PATIENCE: Final = 900
"""Seconds for a build, or for the tests of one defence: some of them hang without it."""
ROOM: Final = 8 << 30
"""Bytes of memory for any one process of them: some would take all there is."""

ENVIRONMENT: Final = {
    **os.environ,
    "PYTHONPATH": str(COPY),
    "PYTHONDONTWRITEBYTECODE": "1",  # two edits within a second would share their bytecode
    "PYO3_BUILD_EXTENSION_MODULE": "1",  # as maturin says it
}


class BuildError(Exception):
    """The bridge does not compile without a defence."""


def main(words: Sequence[str]) -> int:
    """Tries the chosen defences; the exit status."""
    chosen = [one for one in load() if not words or any(_is_meant(one, word) for word in words)]
    resource.setrlimit(resource.RLIMIT_DATA, (ROOM, ROOM))
    copy()
    tests = list(dict.fromkeys(test for one in chosen for test in one.tests))
    passed, _ = run(tests)
    if lacking := [test for test in tests if test not in passed]:
        sys.exit("these do not pass as it is:\n  " + "\n  ".join(lacking))
    print(f"{len(tests)} tests pass with all defences in place")
    verdicts = []
    for one in chosen:
        start = time.monotonic()
        verdict = attempt(one)
        verdicts.append((one, verdict))
        print(f"{one.invariant:2} {one.title}: {verdict} ({time.monotonic() - start:.0f} s)", flush=True)
    bad = [(one, verdict) for one, verdict in verdicts if verdict != "noticed"]
    print(f"\n{len(verdicts) - len(bad)} of {len(verdicts)} noticed")
    for one, verdict in bad:
        print(f"{one.invariant:2} {one.title}: {verdict}")
    return 1 if bad or not chosen else 0


def attempt(defence: Defence) -> str:
    """`noticed` if each of its tests fails without the defence; else what is wrong."""
    with without(defence):
        try:
            if any(file.startswith("bridge/") for file in defence.files) and _for_pytest(defence.tests):
                build()
            _, failed = run(defence.tests)
        except BuildError as error:
            return str(error)
    survived = [test for test in defence.tests if test not in failed]
    return f"SURVIVES {', '.join(survived)}" if survived else "noticed"


def copy() -> None:
    """Makes the copy anew. Its files are younger than anything compiled from it before."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in [*listed.stdout.split("\0")[:-1], str(MODULE)]:
        if (ROOT / name).exists():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, COPY / name)
    # Cargo tells packages of different checkouts apart by no more than name and version. With its own, the
    # bridge of the copy shares the compiled dependencies and is never taken for that of the checkout.
    for name, before in (("Cargo.toml", "[workspace.package]\n"), ("Cargo.lock", 'name = "bridge"\n')):
        text = (COPY / name).read_text("utf-8")
        text = re.sub(rf'({re.escape(before)}version = "[^"]+)', r"\1-defences", text)
        (COPY / name).write_text(text, encoding="utf-8")


@contextmanager
def without(defence: Defence) -> Iterator[None]:
    """The copy lacks the defence for the time of a block."""
    before = {file: (COPY / file).read_text("utf-8") for file in defence.files}
    try:
        for edit in defence.edits:
            text = (COPY / edit.file).read_text("utf-8")
            assert text.count(edit.old) == 1, (edit.file, edit.old)
            (COPY / edit.file).write_text(text.replace(edit.old, edit.new), encoding="utf-8")
        yield
    finally:
        for file, text in before.items():
            (COPY / file).write_text(text, encoding="utf-8")
        shutil.copyfile(ROOT / MODULE, COPY / MODULE)


def build() -> None:
    """Compiles the module of the copy.

    Raises:
        BuildError: It does not compile.
    """
    made = _execute("cargo", "build", "--locked", "--lib")
    if made.returncode:
        raise BuildError("DOES NOT COMPILE " + made.stderr)
    target = Path(os.environ.get("CARGO_TARGET_DIR", COPY / "target"))
    (COPY / MODULE).unlink()
    shutil.copyfile(target / "debug" / "lib_bridge.so", COPY / MODULE)


def run(tests: Iterable[str]) -> tuple[set[str], set[str]]:
    """Runs tests in the copy: those that passed, and those of which at least one case failed.

    Raises:
        BuildError: Tests of the bridge do not compile.
    """
    names = list(tests)
    passed, failed = set(), set()
    if nodes := _for_pytest(names):
        shown = ("-q", "-rpf", "--tb=no", "-p", "no:cacheprovider")
        said = _execute(sys.executable, "-m", "pytest", *shown, *nodes).stdout
        for node in nodes:
            case = re.escape(node) + r"(?:[\[ ]|$)"
            if re.search("^FAILED " + case, said, re.MULTILINE):
                failed.add(node)
            elif re.search("^PASSED " + case, said, re.MULTILINE):
                passed.add(node)
    if bridge := [name for name in names if name not in nodes]:
        paths = {name: name.partition("::")[2] for name in bridge}
        targets = sorted({name.partition("::")[0] for name in bridge})
        options = [part for name in targets for part in (("--lib",) if name == "lib" else ("--test", name))]
        test = ("cargo", "test", "--locked", "--no-default-features", "--no-fail-fast", *options)
        if (made := _execute(*test, "--no-run")).returncode:
            raise BuildError("DOES NOT COMPILE " + made.stderr)
        done = _execute(*test, "--", "--exact", *paths.values())
        # Tests that take their process with them have no line of their own.
        killed = "(signal: " in done.stderr
        for name, path in paths.items():
            if f"test {path} ... ok\n" in done.stdout:
                passed.add(name)
            elif f"test {path} ... FAILED\n" in done.stdout or killed:
                failed.add(name)
    return passed, failed


def _execute(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["timeout", "--kill-after=5", str(PATIENCE), *command],
        cwd=COPY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _for_pytest(tests: Iterable[str]) -> list[str]:
    return [test for test in tests if test.startswith("tests/")]


def _is_meant(defence: Defence, word: str) -> bool:
    return word == str(defence.invariant) if word.isdigit() else word.lower() in defence.title.lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
