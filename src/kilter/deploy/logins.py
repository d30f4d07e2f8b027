"""The servers that this machine is logged in to: `~/.config/kilter/credentials.json`, mode 0600 (DP-Q8)."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kilter.errors import BadInput, NotAllowed
from kilter.state.files import file_lock, write_whole
from kilter.state.paths import home

PATIENCE = 10.0  # seconds to wait for another kilter that is writing the file
LABEL_LIMIT = 63  # characters between two dots of a host (RFC 1035, 2.3.4)
ADDRESS = "write it as https://kilter.example.com"
LOGIN = "run `kilter login --server <url> --token -`, and paste your token"


@dataclass(frozen=True)
class Login:
    """One server and the token for it. `minted` says that the token was made for this machine by a device login."""

    server: str
    token: str = field(repr=False)
    actor: str = ""
    minted: bool = False


@dataclass(frozen=True)
class Logins:
    """All logins of this machine by server, and which of them is used when nothing else is said; empty for none."""

    known: Mapping[str, Login]
    current: str = ""


def file_of(environment: Mapping[str, str]) -> Path:
    """Return the file; follows XDG_CONFIG_HOME where it is absolute."""
    named = Path(environment.get("XDG_CONFIG_HOME", ""))
    return (named if named.is_absolute() else home(environment) / ".config") / "kilter" / "credentials.json"


def read(file: Path) -> Logins:
    """Return what the file holds; none when it does not exist. Raises BadInput when it is damaged."""
    return _read(file)[0]


def add(file: Path, login: Login) -> Login | None:
    """Keep a login and make it the current one; returns the one whose place it took."""
    with file_lock(file.with_suffix(".lock"), PATIENCE, "the file of logins"):
        logins, told = _read(file)
        one = {key: value for key, value in asdict(login).items() if key != "server"}
        _write(file, told | {"current": login.server, "servers": told["servers"] | {login.server: one}})
        return logins.known.get(login.server)


def remove(file: Path, login: Login) -> None:
    """Forget a login, unless another one took its place by now; none of the others becomes the current one."""
    with file_lock(file.with_suffix(".lock"), PATIENCE, "the file of logins"):
        logins, told = _read(file)
        if logins.known.get(login.server) != login:
            return
        left = {server: one for server, one in told["servers"].items() if server != login.server}
        _write(file, told | {"current": logins.current if logins.current in left else "", "servers": left})


def server_of(environment: Mapping[str, str], logins: Logins) -> str:
    """Return the address of the server that verbs are about: KILTER_SERVER before the file; empty for none."""
    named = environment.get("KILTER_SERVER", "")
    return server_address(named) if named else logins.current


def current(environment: Mapping[str, str]) -> Login:
    """Return the login to use: KILTER_SERVER and KILTER_TOKEN before the file.

    Raises NotAllowed without one, BadInput for what is no token.
    """
    logins = read(file_of(environment))
    server = server_of(environment, logins)
    login = logins.known.get(server)
    if token := token_of(environment.get("KILTER_TOKEN", "")):
        if not server:
            raise BadInput("KILTER_TOKEN is set, but no server is known", hint="set KILTER_SERVER too")
        return replace(login or Login(server, token), token=token)
    if login is None:
        why = f"this machine is logged in to {', '.join(logins.known)}" if logins.known else ""
        choose = "set KILTER_SERVER to the one that you mean, or " if why and not server else ""
        raise NotAllowed("you are not logged in" + (f" to {server}" if server else ""), why=why, hint=choose + LOGIN)
    return replace(login, token=token_of(login.token))


def token_of(text: str) -> str:
    """Return a token without the white space around it; empty for none.

    Raises BadInput where no header could carry it; nothing of the text is in that error.
    """
    token = text.strip()
    if not re.fullmatch("[!-~]*", token):
        raise BadInput("the token holds a character that no token has", hint="copy it again, without what is around it")
    return token


def server_address(text: str) -> str:
    """Return a server's address in its one form: scheme, host, port, no slash at the end. Raises BadInput.

    `http` is for this machine alone: a token must not cross a network in clear.
    """
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadInput(f"{text!r} is no address of a server", why=str(error), hint=ADDRESS) from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise BadInput(f"{text!r} is no address of a server", hint=ADDRESS)
    if not host.isprintable() or any(char.isspace() for char in host):
        raise BadInput(f"{text!r} is no address of a server", why="its host holds a space", hint=ADDRESS)
    if not all(0 < len(label) <= LABEL_LIMIT for label in host.removesuffix(".").split(".")):
        why = f"between two dots of its host is nothing, or more than {LABEL_LIMIT} characters"
        raise BadInput(f"{text!r} is no address of a server", why=why, hint=ADDRESS)
    if parts.scheme == "http" and not is_local(host):
        raise BadInput(f"{text} would carry your token in clear", hint=f"use https://{parts.netloc}")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def is_local(host: str) -> bool:
    """Tell whether a host name means this machine (RFC 6761)."""
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def _read(file: Path) -> tuple[Logins, dict[str, Any]]:
    """Return the logins of the file, and all that it says: a newer kilter may have written more."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        named = {server: {**one, "server": server} for server, one in told["servers"].items()}
        return Logins(msgspec.convert(named, dict[str, Login]), str(told["current"])), told
    except FileNotFoundError:
        return Logins({}), {"version": 1, "current": "", "servers": {}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise BadInput(f"{file} cannot be read", why=str(error), hint="remove it and log in again") from None


def _write(file: Path, told: Mapping[str, Any]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(file.parent, 0o700)  # noqa: PTH101 - a folder that others made readable
    write_whole(file, json.dumps(told, indent=1) + "\n")
