"""How things look: the templates, and the words that they have for moments, durations and states."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kilter.api.kilterapp_status import Failure
from kilter.server.portal import static
from kilter.words import counted, human_duration

FOLDER = Path(__file__).parent / "templates"
# What is said of phases and states in colour, and always in words too.
TONES = {
    **dict.fromkeys(("Ready", "done"), "good"),
    **dict.fromkeys(("Failed", "failed"), "bad"),
    **dict.fromkeys(("canceled", "superseded"), "past"),
}
WORKING = "working"
# What terminals obey, and what turns the order of other characters; line breaks and tabs are harmless here.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
AGO = ((86400, "d"), (3600, "h"), (60, "min"))


@cache
def environment() -> Environment:
    """Return the templates; everything in them is escaped, and a name that nobody gave is a fault of ours."""
    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(took=took, ago=ago, moment=moment, tone=tone, shown=shown, web=web)
    found.filters.update(failure_sentence=failure_sentence)
    found.globals.update(static=static.address, counted=counted)
    return found


def render(template: str, **values: Any) -> str:
    """Write a page."""
    return environment().get_template(template).render(values)


def took(seconds: float) -> str:
    """Write a duration."""
    return human_duration(max(0.0, seconds))


def ago(then: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    seconds = (now - then).total_seconds()
    for size, word in AGO:
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return "just now"


def moment(then: datetime) -> str:
    """Write a moment for people, in UTC."""
    return f"{then:%Y-%m-%d %H:%M:%S} UTC"


def tone(word: str) -> str:
    """Return the colour of a phase or a state; what is neither an end nor a failure is at work."""
    return TONES.get(word, WORKING)


def shown(text: str) -> str:
    """Make control characters of foreign text visible, so that none of them does anything (P3)."""
    return CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])) if ord(found[0]) < 0x20 else "\ufffd", text)


def web(url: str | None) -> bool:
    """Tell whether an address may become a link (P1)."""
    try:
        parts = urlsplit(url or "")
        return parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:
        return False


def failure_sentence(failure: Failure) -> str:
    """Say what failed, in one sentence."""
    return f"Failed{'' if failure.phase == 'Ready' else f' while {failure.phase}'}: {failure.message}"
