"""Grammars of single values: each rule takes a value and returns what is wrong with it, '' for nothing."""

import posixpath
import re
from collections.abc import Callable, Iterator

from kilter import words
from kilter.project.faults import visible

Rule = Callable[[str], str]

MIB = 1024 * 1024
ENV_VALUE_LIMIT = 65_536  # bytes; Linux takes no variable above 128 KiB

# Texts: `re` compiles each at its first use, and a file uses few of them.
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_LABEL}(?:\.{_LABEL})*\Z"
_DNS_LABEL = rf"{_LABEL}\Z"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*\Z"
_PATTERN = r"[a-z*](?:[-a-z0-9*?]*[a-z0-9*?])?\Z"
_AGE = r"age1[0-9a-z]+\Z"
_VERSION = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}\Z"
# The grammar of github.com/distribution/reference.
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"(?:{_HOST}(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
_IMAGE = rf"({_REPOSITORY})(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{{32,}})?\Z"
_REGISTRY = rf"{_HOST}(?::[0-9]+)?(?:/{_PART})*\Z"
_LONGEST_REFERENCE = 512
# The grammar of github.com/robfig/cron/v3, by which the API server judges a CronJob: Sunday is 0, and not 7.
_CRON_WORD = r"[0-9]{1,9}|[a-z]{3}"
_CRON_ITEM = rf"(?:(?P<all>[*?])|(?P<first>{_CRON_WORD})(?:-(?P<last>{_CRON_WORD}))?)(?:/(?P<step>[0-9]{{1,9}}))?\Z"
_CRON_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_DESCRIPTORS = ("@hourly", "@daily", "@weekly", "@monthly")


def name(text: str) -> str:
    """Project, service, component and process names (NS-Q1)."""
    if words.is_name(text):
        return ""
    allowed = f"{words.NAME_RULE}, at most {words.PROJECT_NAME_LIMIT} characters"
    return f"'{visible(text)}' is no valid name ({allowed}); '{words.valid_spelling(text)}' would be one"


def image(text: str) -> str:
    """Image references; a tag or a digest is required, because `latest` changes under the user's feet."""
    match = re.match(_IMAGE, text) if len(text) <= _LONGEST_REFERENCE else None
    if match is None:
        return f"'{visible(text)}' is no image reference; write it as registry/name:tag"
    return (
        "" if match[2] or match[3] else f"'{visible(text)}' names no version; add a tag (:1.2) or a digest (@sha256:…)"
    )


def version(text: str) -> str:
    """Versions of services."""
    return "" if re.match(_VERSION, text) else f"'{visible(text)}' is no version"


def quantity(text: str) -> str:
    """Kubernetes quantities above zero."""
    try:
        return "" if len(text) < 32 and words.quantity(text) > 0 else f"'{visible(text)}' is no amount above zero"
    except ValueError:
        return f"'{visible(text)}' is not a quantity; write it as 256Mi, 1Gi, 500m or 2"


def size(text: str) -> str:
    """Quantities of bytes: less than a mebibyte is another unit than was meant, for `500m` is half a byte."""
    wrong = quantity(text)
    if wrong or words.quantity(text) >= MIB:
        return wrong
    return f"'{visible(text)}' is less than a mebibyte; write it as 256Mi or 1Gi"


def duration(text: str) -> str:
    """Durations such as 90s, 5m, 1h30m."""
    try:
        words.duration(text if len(text) < 32 else "")
    except ValueError:
        return f"'{visible(text)}' is not a duration; write it as 90s, 5m or 1h30m"
    return ""


def up_to(most: str) -> Rule:
    """Durations of at most so long, such as 30m."""

    def rule(text: str) -> str:
        wrong = duration(text)
        if wrong or words.duration(text) <= words.duration(most):
            return wrong
        return f"'{visible(text)}' is longer than {most}, the most that it can be"

    return rule


def relative(text: str, folder: str = ".") -> str:
    """Paths inside the project, seen from one of its folders: relative, and not out by `..`; links are for later."""
    if not text or "\0" in text or "\\" in text:
        return f"'{visible(text)}' is no path inside the project"
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:|[a-z]+://", text):
        return f"the path '{visible(text)}' must be relative to kilter.yaml"
    normal = posixpath.normpath(posixpath.join(folder, text))
    return f"the path '{visible(text)}' leads out of the project" if normal.split("/")[0] == ".." else ""


def absolute(text: str) -> str:
    """Paths inside a container."""
    if ":" in text:
        return f"'{visible(text)}' holds a colon, which Kubernetes takes in no path of a volume"
    good = text.startswith("/") and ".." not in text.split("/")
    if not good:
        return f"'{visible(text)}' must be an absolute path in the container"
    return "" if text.strip("/") else f"'{visible(text)}' is the whole file system; name a directory in it"


def url_path(text: str) -> str:
    """Paths of requests."""
    good = text.startswith("/") and re.fullmatch(r"[!-~]+", text)
    return "" if good else f"'{visible(text)}' is no path of a request; it begins with /"


def variable(text: str) -> str:
    """Names of environment variables."""
    return "" if re.match(_VARIABLE, text) else f"'{visible(text)}' is no name of a variable (letters, digits, _)"


def secret(text: str) -> str:
    """Names of Secrets."""
    good = len(text) <= 253 and re.match(_DNS_NAME, text)
    return "" if good else f"'{visible(text)}' is no name of a Secret (a-z, 0-9, '-' and '.')"


def label(text: str) -> str:
    """Names of namespaces."""
    good = len(text) <= 63 and re.match(_DNS_LABEL, text)
    return "" if good else f"'{visible(text)}' is no name of a namespace (a-z, 0-9 and '-')"


def app(text: str) -> str:
    """`<org>/<app>`."""
    org, slash, name = text.partition("/")
    if not slash or "/" in name:
        return f"'{visible(text)}' must be <org>/<app>, such as acme/shop"
    for part, limit in ((org, words.ORG_LIMIT), (name, words.APP_LIMIT)):
        if wrong := words.slug_fault(part, limit):
            return f"'{visible(part)}' cannot name an org or an app: {wrong}"
    return ""


def pattern(text: str) -> str:
    """Names of environments and patterns of them."""
    good = len(text) <= 63 and re.match(_PATTERN, text)
    return "" if good else f"'{visible(text)}' is no name or pattern of environments (such as prod or pr-*)"


def recipient(text: str) -> str:
    """Public age keys."""
    if text.upper().startswith("AGE-SECRET-KEY"):
        return "this is a private age key: take it out of the file at once; the public one begins with age1"
    return "" if re.match(_AGE, text) else f"'{visible(text)}' is no public age key; it begins with age1"


def registry(text: str) -> str:
    """`<host>/<scope>`."""
    good = len(text) <= _LONGEST_REFERENCE and re.match(_REGISTRY, text)
    return "" if good else f"'{visible(text)}' is no registry; write it as registry.example.com/scope"


def schedule(text: str) -> str:
    """Cron expressions, as Kubernetes reads them."""
    if text in _DESCRIPTORS:
        return ""
    parts, said = text.split(), f"'{visible(text)}' is no cron expression"
    if len(parts) != len(_CRON_FIELDS):
        return f"{said}; it has five fields, such as 0 3 * * *"
    for part, (field, low, high, names) in zip(parts, _CRON_FIELDS, strict=True):
        if not all(_cron_item(item, low, high, names) for item in part.lower().split(",")):
            words = f" or {names[0]} to {names[-1]}" if names else ""
            return f"{said}: the {field} cannot be '{visible(part)}', it is {low} to {high}{words}"
    return ""


def _cron_item(item: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    """Tell whether one item of a field's list is a number, a name, a range, or all, each with or without a step."""
    match = re.match(_CRON_ITEM, item)
    if match is None or (match["step"] and not int(match["step"])):
        return False
    if match["all"]:
        return True
    ends = [_cron_number(word, low, names) for word in (match["first"], match["last"] or match["first"])]
    return low <= ends[0] <= ends[1] <= high


def _cron_number(word: str, low: int, names: tuple[str, ...]) -> int:
    if word in names:
        return low + names.index(word)
    return int(word) if word.isdigit() else -1


def variables(values: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """Yield the name of each bad variable of a map, with what is wrong; values are never shown."""
    for key, value in values.items():
        if wrong := variable(key):
            yield key, wrong
        elif value is not None and "\0" in value:
            yield key, "the value holds a NUL character, which no variable can"
        elif value is not None and len(value.encode("utf-8", "surrogatepass")) > ENV_VALUE_LIMIT:
            yield key, f"the value is larger than {ENV_VALUE_LIMIT:,} bytes; mount a file in its place"
