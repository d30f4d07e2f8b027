"""Logging in and out, and the questions that need no project."""

import platform as machine
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from kilter.api.access import DeviceCode, DeviceCodeRequest, DeviceTokenRequest, TokenCreated, WhoAmI
from kilter.deploy import logins
from kilter.deploy.client import Client
from kilter.deploy.logins import Login
from kilter.deploy.refusals import Throttled
from kilter.errors import KilterError, PlanNeeded, TimedOut, Unreachable


def log_in(environment: Mapping[str, str], server: str, token: str) -> WhoAmI:
    """Verify a token and keep it; nothing is kept on a failure (DP-Q8). Raises NotAllowed, Unreachable."""
    login = Login(logins.server_address(server), token)
    who = who_is(login)
    former = logins.add(logins.file_of(environment), replace(login, actor=who.actor))
    _end_former(former, login)
    return who


def log_in_by_device(environment: Mapping[str, str], server: str, show: Callable[[DeviceCode], None]) -> WhoAmI:
    """Let somebody who is logged in to the portal approve this machine; `show` tells the person where and what to type.

    Raises TimedOut when nobody did.
    """
    login, file = Login(logins.server_address(server), ""), logins.file_of(environment)
    logins.read(file)  # a bad one fails before a token is made
    with Client(login) as client:
        code = client.post("/v1/device/codes", DeviceCode, DeviceCodeRequest(client_name=f"kilter on {machine.node()}"))
        show(code)
        made = _await_approval(client, code)
    login = replace(login, token=made.token, actor=made.info.actor, minted=True)
    try:
        former = logins.add(file, login)
    except BaseException:  # nobody would know of it to revoke it later
        with suppress(KilterError):
            _revoke(login)
        raise
    _end_former(former, login)
    told = made.info
    return WhoAmI(actor=told.actor, role=told.role, scopes=told.scopes, token_id=told.id, expires_at=told.expires_at)


def _end_former(former: Login | None, login: Login) -> None:
    """Revoke the token that was made for this machine before: nobody would know of it any more."""
    if former is not None and former.minted and former.token != login.token:
        with suppress(KilterError):
            _revoke(former)


def _await_approval(client: Client, code: DeviceCode) -> TokenCreated:
    limit, body, lost = time.monotonic() + code.expires_in, DeviceTokenRequest(device_code=code.device_code), ""
    while time.monotonic() < limit:
        time.sleep(code.interval)
        try:
            return client.post("/v1/device/tokens", TokenCreated, body)
        except PlanNeeded:  # 428: nobody has approved it yet
            lost = ""
        except (Throttled, Unreachable) as error:  # the person may be typing the code meanwhile
            lost = error.what
    raise TimedOut("nobody approved this machine", why=lost, hint="run the same command again")


class LoggedOut(NamedTuple):
    """Which logins were forgotten, to which servers the others are, and what went wrong."""

    gone: tuple[Login, ...]
    left: tuple[str, ...]
    faults: tuple[str, ...]


def log_out(environment: Mapping[str, str], *, everything: bool) -> LoggedOut:
    """Revoke tokens made for this machine, and forget the login that other verbs use, or all.

    Each is forgotten once its server was asked: after Ctrl-C the same again goes on with the others.
    """
    file = logins.file_of(environment)
    before = logins.read(file)
    servers = set(before.known) if everything else {logins.server_of(environment, before)}
    gone = tuple(login for server, login in before.known.items() if server in servers)
    faults = []
    for login in gone:
        try:
            if login.minted:
                _revoke(login)
        except KilterError as error:
            mend = f"an admin can revoke this token of {login.actor}, under Account in the portal"
            faults.append(f"{login.server}: its token could not be revoked: {error.what}; {mend}")
        logins.remove(file, login)
    left = tuple(server for server in before.known if server not in servers)
    return LoggedOut(gone, left, tuple(faults))


def _revoke(login: Login) -> None:
    with Client(replace(login, token=logins.token_of(login.token))) as client:
        client.delete("/v1/whoami", gone="not_logged_in")


def whoami(client: Client) -> WhoAmI:
    """Return whose the client's token is, and what it may do."""
    return client.get("/v1/whoami", WhoAmI)


def who_is(login: Login) -> WhoAmI:
    """Ask a server whose token this is."""
    with Client(login) as client:
        return whoami(client)
