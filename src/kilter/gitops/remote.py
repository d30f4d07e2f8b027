"""Where the repository is and how git gets in: no secret in the address, in an argument, or in a file of git's."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kilter.errors import BadInput, MachineLacks
from kilter.proc import Secret

SCHEMES = ("https", "http", "ssh", "file")
NAME = "kilter"  # what git calls it
HEAD = "refs/kilter/head"  # the head of the branch as last fetched or pushed, in a clone
LOW_SPEED = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "30"}  # bytes per second, seconds


@dataclass(frozen=True)
class Remote:
    """A Git repository and one branch of it.

    Over HTTP, `token` is a file with a password or token for `username`, and `ca`, if there is such a file, holds the
    authority that must have signed for the server, in place of the machine's own ones. Over SSH, `key` is a private
    key's file and `known_hosts` names the servers that may answer. Files are read at each use, so that they may be
    renewed.
    Raises BadInput for an address that git must not be given.
    """

    url: str
    branch: str = "main"
    username: str = "kilter"
    token: Path | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES or not self.url.isprintable() or " " in self.url:
            raise BadInput("the repository's address is none", why=f"it must begin with {', '.join(SCHEMES)} and ://")
        if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
            raise BadInput("the repository's address holds credentials", hint="put the token into a file")
        if (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
            raise BadInput("the repository's address has a host or user that begins with a dash")

    def settings(self) -> Mapping[str, str | Secret]:
        """Return what git is to be told: the remote, one protocol, and the credential, if any, for this address alone.

        Raises MachineLacks when the token's file cannot be read.
        """
        scheme = urlsplit(self.url).scheme
        allowed: dict[str, str | Secret] = {
            f"remote.{NAME}.url": self.url,
            # Without a plus sign: a head that does not follow the known one is refused, not taken.
            f"remote.{NAME}.fetch": f"refs/heads/{self.branch}:{HEAD}",
            f"protocol.{scheme}.allow": "always",
            **LOW_SPEED,
        }
        if scheme == "ssh":
            return allowed | {"core.sshCommand": self._ssh()}
        if self.ca is not None and self.ca.is_file():
            allowed[f"http.{self.url}.sslCAInfo"] = str(self.ca)
        if self.token is None or scheme == "file":
            return allowed
        try:
            word = self.token.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise MachineLacks(f"cannot read the Git token in {self.token}", why=error.strerror or "") from None
        pair = base64.b64encode(f"{self.username}:{word}".encode()).decode("ascii")
        return {**allowed, f"http.{self.url}.extraHeader": Secret(f"Authorization: Basic {pair}")}

    def _ssh(self) -> str:
        options = ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"]
        if self.key is not None:
            options += ["-i", str(self.key)]
        if self.known_hosts is not None:
            options += ["-o", f"UserKnownHostsFile={self.known_hosts}"]
        return shlex.join(["ssh", "-F", "/dev/null", *options])
