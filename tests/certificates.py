"""Certificates for tests, made by the openssl of the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """A certificate authority in a folder of its own: `{name}.crt` and `{name}.key` in PEM."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            missing = "openssl is not installed"
            if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
                pytest.fail(missing)
            pytest.skip(missing)
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = self.itself(name)

    def itself(self, name: str, *subjects: str) -> tuple[Path, Path]:
        """A certificate that nobody but its own key signed, and that key."""
        return self._make(name, subjects)

    def issue(self, name: str, *subjects: str) -> tuple[Path, Path]:
        """A certificate for `subjects` (`DNS:localhost`), and its key. Its common name is `name`."""
        signed_by = ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        return self._make(name, subjects, *signed_by, "-addext", "basicConstraints=critical,CA:FALSE")

    def take_back(self, certificate: Path | None = None) -> Path:
        """The list of certificates taken back, with that one."""
        settings = self.folder / "ca.cnf"
        settings.write_text(
            "[ca]\ndefault_ca = own\n[own]\ndefault_md = sha256\ndefault_crl_days = 2\n"
            f"database = {self.folder}/index.txt\ncrlnumber = {self.folder}/number\n"
        )
        (self.folder / "number").write_text("01\n")
        (self.folder / "index.txt").touch()
        sign = ["ca", "-config", str(settings), "-cert", str(self.certificate), "-keyfile", str(self._key)]
        if certificate:
            self._openssl(*sign, "-revoke", str(certificate))
        revoked = self.folder / "revoked.crl"
        self._openssl(*sign, "-gencrl", "-out", str(revoked))
        return revoked

    def _make(self, name: str, subjects: tuple[str, ...], *more: str) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if subjects:
            more = (*more, "-addext", f"subjectAltName={','.join(subjects)}")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
        files = ["-keyout", str(key), "-out", str(certificate)]
        self._openssl("req", "-x509", *curve, *files, "-subj", f"/CN={name}", "-days", "2", *more)
        key.chmod(0o600)
        return certificate, key

    @staticmethod
    def _openssl(*arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
