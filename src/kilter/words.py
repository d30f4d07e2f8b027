"""Names, patterns, durations, sizes, lines: how people write them and how kilter writes them back."""

import math
import re
from collections.abc import Iterable

NAME_RULE = "a-z, 0-9 and '-', beginning with a letter, ending with a letter or digit"
PROJECT_NAME_LIMIT = 42  # so that `kilter-<project>-control-plane` stays within the 63 of a DNS label
ORG_LIMIT = APP_LIMIT = 40
ENV_LIMIT = 32

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_SLUG = re.compile(r"[a-z](-?[a-z0-9])*\Z")
_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?\Z")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|[kMGTPE]|[KMGTPE]i)?\Z")
_FACTORS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18} | {
    unit + "i": 1024.0**power for power, unit in enumerate("KMGTPE", start=1)
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that looks most like `word`, or None when none comes close."""
    import difflib  # start-up: needed only for a word that is wrong

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word: the nearest known one, or nothing when none comes close."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def is_name(text: str, limit: int = PROJECT_NAME_LIMIT) -> bool:
    """Tell whether `text` may name a project, service, component or process (NS-Q1)."""
    return len(text) <= limit and _NAME.match(text) is not None


def valid_spelling(text: str, limit: int = PROJECT_NAME_LIMIT) -> str:
    """Return the valid name closest to `text`, to be proposed to the user; never empty."""
    spelled = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    spelled = re.sub(r"^[^a-z]+", "", spelled)[:limit].rstrip("-")
    return spelled or "app"


def slug_fault(text: str, limit: int) -> str:
    """Say what keeps `text` from naming an org, an app or an environment, and at which character (DP-Q37).

    '' means nothing does. Such a name has no `--`, so that names joined by it can be told apart again.
    """
    if len(text) <= limit and _SLUG.match(text):
        return ""
    for place, character in enumerate(text, start=1):
        if not re.match(r"[a-z0-9-]", character):
            return f"character {place} is {character!a}, and only a-z, 0-9 and '-' are allowed"
    if not text or not text[0].isalpha():
        return f"it begins with {text[:1]!r}, not with a letter" if text else "it is empty"
    if text.endswith("-"):
        return "it ends with '-', not with a letter or digit"
    if "--" in text:
        return f"character {text.index('--') + 2} is a second '-' in a row"
    return f"it has {len(text)} characters, and at most {limit} are allowed"


def closest(patterns: Iterable[str], env: str) -> str | None:
    """Return which pattern of kilter.yaml an environment goes by: its own name, else the longest that fits (DP-Q38).

    In a pattern `*` is any run of characters and `?` any one of them.
    """
    import fnmatch  # start-up: needed only where something is deployed

    fitting = [pattern for pattern in patterns if fnmatch.fnmatchcase(env, pattern)]
    return max(fitting, key=lambda pattern: (pattern == env, len(pattern), pattern), default=None)


def shortened(text: str, limit: int = 300) -> str:
    """Return a text of somebody else's for one line: its runs of blanks as one, and so many characters of it."""
    return " ".join(text.split())[:limit]


def matches(glob: str, text: str) -> bool:
    """Tell whether a pattern, in which `*` is any run of characters, is the whole text."""
    # No regular expression: strangers write patterns, and it would try every way to share a text among many stars.
    first, *others = glob.split("*")
    if not others:
        return text == glob
    *middle, last = others
    place, end = len(first), len(text) - len(last)
    if place > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def duration(text: str) -> float:
    """Read a duration such as `90s`, `5m` or `1h30m` as seconds.

    Raises ValueError when the text is no duration or is zero.
    """
    match = _DURATION.match(text.strip())
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write it as 90s, 5m or 1h30m")
    hours, minutes, seconds = match.groups()
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    if total <= 0:
        raise ValueError(f"{text!r} is no time at all; write it as 90s, 5m or 1h30m")
    return total


def human_duration(seconds: float) -> str:
    """Write seconds as people read them: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `4d`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d"


def quantity(text: str) -> float:
    """Read a Kubernetes quantity (`256Mi`, `500m`, `2`) as a plain number: bytes or cores.

    The grammar is that of `k8s.io/apimachinery/pkg/api/resource` without exponents. Raises ValueError.
    """
    match = _QUANTITY.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a quantity; write it as 256Mi, 1Gi, 500m or 2")
    return float(match[1]) * _FACTORS[match[2] or ""]


def human_size(size: float) -> str:
    """Write bytes with a binary unit and at most one decimal: `512 B`, `1.5 KiB`, `280 MiB`."""
    if size < 1024:
        return f"{size:.0f} B"
    power = min(int(math.log2(size) / 10), 4)
    scaled = size / 1024**power
    return f"{scaled:.{0 if scaled >= 10 else 1}f} {'KMGT'[power - 1]}iB"


def counted(number: int, thing: str) -> str:
    """Write a number of things, of which one takes no `s`: `1 day`, `2 days`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def escaped(line: str) -> str:
    """Return a line that cannot drive a terminal: its control characters are written out (C15)."""
    if line.isprintable():
        return line
    return "".join(char if _is_plain(char) else char.encode("unicode_escape").decode() for char in line)


def _is_plain(char: str) -> bool:
    """Tell whether a character stands for itself: tabs, the spaces of every script, and what joins one character."""
    from unicodedata import category  # start-up: most text is printable as it is

    return char.isprintable() or char in "\t\u200d" or category(char) == "Zs"


def escaped_lines(text: str) -> str:
    """Return a text of any number of lines, each escaped."""
    return "\n".join(map(escaped, text.splitlines()))
