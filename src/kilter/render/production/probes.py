"""Health checks of a container: what the profile says, with the figures of production-profile.md filled in."""

import math
from typing import Literal

import msgspec

from kilter import words
from kilter.errors import BadInput
from kilter.project.model import Probe, Probes
from kilter.project.model_profile import Off
from kilter.render.services import unexpanded

Kind = Literal["startup", "readiness", "liveness"]
Check = dict[str, object]

TIMES: dict[Kind, tuple[int, int, int]] = {  # seconds between checks, seconds for one, failures in a row (PP-Q8)
    "startup": (2, 2, 30),
    "readiness": (5, 2, 2),
    "liveness": (10, 2, 3),
}
LIVENESS_PATH, READINESS_PATH = "/health", "/status"


def web_probes(declared: Probes | Off | None, port: int) -> dict[Kind, Check]:
    """Return the checks of the web process, by kind.

    What is not declared is not guessed at: an app may have no `/health`, and a check of it would restart it for ever.
    Only whether the port is open decides whether it may receive requests (PP-Q10).
    """
    found = declared_probes(declared, port)
    undeclared = declared is None or (isinstance(declared, Probes) and declared.readiness is None)
    if undeclared:
        found["readiness"] = _check("readiness", Probe(type="tcp"), port, "")
    return found


def declared_probes(declared: Probes | Off | None, port: int) -> dict[Kind, Check]:
    """Return the checks that are written down, by kind; `port` is 0 when the container listens on none.

    A startup check comes with a liveness check, which would else kill whatever starts slowly. Raises BadInput.
    """
    if not isinstance(declared, Probes):
        return {}
    found: dict[Kind, Check] = {}
    liveness, readiness, startup = declared.liveness, declared.readiness, declared.startup
    if isinstance(readiness, Probe) and readiness.type != "off":
        found["readiness"] = _check("readiness", readiness, port, READINESS_PATH)
    path = LIVENESS_PATH
    if isinstance(liveness, Probe) and liveness.type != "off":
        found["liveness"] = _check("liveness", liveness, port, LIVENESS_PATH)
        path = liveness.path or path
        if startup is None:
            startup = msgspec.structs.replace(liveness, interval=None, failures=None)
    if isinstance(startup, Probe) and startup.type != "off":
        found["startup"] = _check("startup", startup, port, path)
    return found


def seconds(text: str, place: str) -> int:
    """Read a duration of the profile as whole seconds, at least one; raises BadInput."""
    try:
        return max(1, math.ceil(words.duration(text)))
    except ValueError as error:
        raise BadInput(f"{place}: {error}") from None


def _check(kind: Kind, probe: Probe, port: int, path: str) -> Check:
    interval, timeout, failures = TIMES[kind]
    place = f"probes.{kind}"
    check: Check = {}
    if probe.type == "exec":
        if not probe.command:
            raise BadInput(f"{place}: a check of type exec needs a `command`")
        # The kubelet expands the words of a check as it does those of a command.
        check["command"] = [unexpanded(word) for word in probe.command]
    else:
        if not (probe.port or port):
            raise BadInput(f"{place}: there is no port to check", hint="use a check of type exec")
        if probe.type == "http":
            check["path"] = probe.path or path
        check["port"] = probe.port or port
    check["interval"] = seconds(probe.interval, f"{place}.interval") if probe.interval else interval
    check["timeout"] = seconds(probe.timeout, f"{place}.timeout") if probe.timeout else timeout
    check["failures"] = probe.failures or failures
    return check
