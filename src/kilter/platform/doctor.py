"""What `kilter doctor` says of the platform that this machine is logged in to."""

from collections.abc import Mapping
from typing import Final

from kilter.api.platform import Info
from kilter.deploy import logins
from kilter.deploy.client import Client
from kilter.dev.checks import found, sentence
from kilter.dev.documents import Check
from kilter.errors import KilterError, NotAllowed

CONNECT: Final = 3.0  # seconds: a lost packet is sent again by then, and what is asked in passing keeps nobody waiting


def rows(environment: Mapping[str, str]) -> list[Check]:
    """Ask the platform whether its network policies are walls (DP-Q57); none without a login.

    Nothing of it makes this machine unfit: the worst is a warning.
    """
    try:
        login = logins.current(environment)
    except NotAllowed:
        return []
    except KilterError as error:
        return [_unasked(error)]
    try:
        with Client(login, connect=CONNECT) as client:
            told = client.get("/v1/info", Info)
    except KilterError as error:
        return [_unasked(error)]
    return [
        found("platform.answers", "pass", f"the platform {login.server} answers"),
        policies(login.server, told.network_policy_enforced),
    ]


def policies(server: str, enforced: bool | None) -> Check:
    """Judge whether network policies are enforced."""
    if enforced:
        return found("platform.policies", "pass", f"{server} enforces network policies")
    if enforced is None:
        message = f"{server} cannot tell whether its cluster enforces network policies"
        return found("platform.policies", "warning", message, "its administrator sees why in `kilter platform status`")
    message = f"{server} enforces no network policies: apps can reach each other, internal ones too"
    return found("platform.policies", "warning", message, "its administrator can install a network plugin that does")


def _unasked(error: KilterError) -> Check:
    return found("platform.answers", "warning", sentence(error), error.hint)
