"""The last lines of a container that fails, fit to be shown: what the app is given as a secret is blacked out (G5)."""

import base64
from collections.abc import Iterable
from typing import Final

from kilter.operator import kinds
from kilter.operator.kube import Kube, KubeError
from kilter.operator.steps import services
from kilter.operator.steps.base import Log, Target
from kilter.render import names
from kilter.words import escaped

LINES: Final = 20
WIDTH: Final = 300
SHORTEST: Final = 5  # characters; blacking out shorter values would leave nothing to read
COVER: Final = "***"


def read(kube: Kube, target: Target, log: Log) -> tuple[str, ...]:
    """Return the last lines; none when they, or the values to be blacked out, cannot be read."""
    try:
        values = _secrets(kube, target)
        text = kube.log(target.name, log.pod, log.container, previous=log.previous, lines=LINES)
        text = text or kube.log(target.name, log.pod, log.container, previous=False, lines=LINES)
    except KubeError:
        return ()
    return clean(text, values)


def clean(text: str, secrets: Iterable[str]) -> tuple[str, ...]:
    """Return the last lines without the secrets, and with control characters escaped (C15).

    Of a value of many lines each is covered by itself: the text may begin in the middle of them.
    """
    parts = {part for value in secrets for part in (value, *map(str.strip, value.splitlines()))}
    for value in sorted((each for each in parts if len(each) >= SHORTEST), key=len, reverse=True):
        text = text.replace(value, COVER)
    lines = [escaped(line)[:WIDTH] for line in text.splitlines() if line.strip()]
    return tuple(lines[-LINES:])


def _secrets(kube: Kube, target: Target) -> list[str]:
    spec = target.app.spec
    external = [each.secret_name for each in spec.services if each.secret_name]
    own = [names.database_secret(spec.app), services.CREDENTIALS]
    found: list[str] = []
    for name in {*own, *spec.app_secrets, *external}:
        secret = kube.get(kinds.SECRET, target.name, name) or {}
        found += [_decoded(value) for value in (secret.get("data") or {}).values()]
    return found


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")
