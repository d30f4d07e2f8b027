"""Bodies and queries of requests: limits before reading, JSON that all readers understand alike, faults with a path."""

import asyncio
import json
import math
import re
from typing import Any, Final, NoReturn, TypeVar

import msgspec
import msgspec.inspect
from starlette.requests import Request

from kilter.api.schema import portable
from kilter.server.refusals import Refused

T = TypeVar("T")

SECONDS: Final = 30.0  # for a whole body to arrive (S12)
OPEN_LIMIT: Final = 8 * 1024  # bytes of a body that comes without a token
AT_ONCE: Final = 2  # large bodies that are understood: as values they may take thirty times their bytes
THREAD_FROM: Final = 64 * 1024  # bytes; larger bodies are parsed beside the event loop
PLACE = re.compile(r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what databases do not keep: NUL, halves of characters
KEY_TOLD: Final = 64  # characters of a key that is told of
WHOLE: Final = 2**53  # up to here a number that is written as 1.0 is surely 1
MISSING = re.compile(r"Object missing required field `(.*)`")


async def read_json(request: Request, limit: int, kind: type[T], turns: asyncio.Semaphore) -> tuple[bytes, T]:
    """Return the body, and what it says as a type; a large one takes one of the `turns` to be understood.

    Raises Refused: too_large before more than the limit is read, wrong_media_type, request_timeout, bad_request,
    unknown_field, invalid.
    """
    media, _, _ = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != "application/json" or request.headers.get("content-encoding"):
        raise Refused("wrong_media_type", "the body must be application/json, and not compressed")
    body = await read(request, limit)
    if len(body) <= THREAD_FROM:
        return body, converted(parsed(body), kind)
    async with turns:
        return body, converted(await asyncio.to_thread(parsed, body), kind)


def announced(request: Request) -> bool:
    """Tell whether a request has a body."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


async def read(request: Request, limit: int) -> bytes:
    """Read a body of at most so many bytes; its announced length is looked at first."""
    length = request.headers.get("content-length", "")
    refused = Refused("too_large", f"the body is larger than {limit} bytes", details={"limit_bytes": limit})
    if length.isdigit() and (len(length) > 15 or int(length) > limit):
        raise refused
    parts, size = list[bytes](), 0
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise refused
                parts.append(part)
    except TimeoutError:
        raise Refused("request_timeout", f"the body did not arrive within {SECONDS:.0f} seconds") from None
    return b"".join(parts)


def parsed(body: bytes) -> Any:
    """Parse JSON in UTF-8 in which no key stands twice, every number is one and every text is. Raises Refused."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=unique, parse_float=number, parse_constant=no_number)
        if b"\\u" in body:
            refuse_no_text(value)
        return value
    except RecursionError:
        raise Refused("bad_request", "the body is nested too deeply") from None
    except ValueError as error:
        raise Refused("bad_request", f"the body is no JSON: {error}") from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members. Raises ValueError for a key that stands twice (S11)."""
    found = dict[str, Any]()
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:KEY_TOLD]!r} stands twice in one object")
        found[name] = value
    return found


def number(text: str) -> float:
    """Read a number with a point or an exponent: 1.0 is the whole number 1, as in JSON Schema. Raises ValueError."""
    found = float(text)
    if math.isinf(found):
        raise ValueError(f"{text[:32]} is too large")
    return int(found) if found.is_integer() and abs(found) <= WHOLE else found


def refuse_no_text(value: Any) -> None:
    """Refuse texts that are none, in a value of any depth. Raises ValueError."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str) and NO_TEXT.search(each):
            raise ValueError("a text holds NUL or half a character")


def no_number(word: str) -> NoReturn:
    """Refuse NaN and infinities, which are not JSON."""
    raise ValueError(f"{word} is no number")


def converted(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """Return a value as a type. Raises Refused with the path of the first fault."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise refusal(str(error), value, kind) from None


def is_list(field: msgspec.structs.FieldInfo) -> bool:
    """Tell whether a field of a query takes several values."""
    return isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.VarTupleType)


def refusal(text: str, value: Any, kind: type) -> Refused:
    """Turn msgspec's words into an answer."""
    found = PLACE.fullmatch(text)
    what, path = (found["what"], found["path"] or "") if found else (text, "")
    path = with_keys(path.lstrip("."), value, kind)
    what = f"a key: {what}" if found and found["key"] else what
    if unknown := UNKNOWN.fullmatch(what):
        field = joined(path, unknown[1][:KEY_TOLD])
        return Refused("unknown_field", f"unknown field {field}", field=field)
    if missing := MISSING.fullmatch(what):
        field = joined(path, missing[1])
        return Refused("invalid", f"{field} is missing", field=field)
    what = what.replace(r"\\Z", "$")
    return Refused("invalid", f"{path}: {what}" if path else what, field=path or None)


def joined(path: str, name: str) -> str:
    """Return the path of a member."""
    return f"{path}.{name}" if path else name


def with_keys(path: str, value: Any, kind: type) -> str:
    """Put the keys of maps into a path, which msgspec writes as `[...]`; the schema's own faults tell them."""
    if "[...]" not in path:
        return path
    import jsonschema_rs

    schema = portable(msgspec.json.schema(kind))
    for fault in jsonschema_rs.validator_for(schema, validate_formats=False).iter_errors(value):
        names = [f"[{each}]" if isinstance(each, int) else f".{each}" for each in fault.instance_path]
        if alike("".join(names).lstrip("."), path):
            return "".join(names).lstrip(".")
    return path


def alike(found: str, written: str) -> bool:
    """Tell whether a path is the one written with `[...]` for its keys."""
    pattern = re.escape(written).replace(re.escape("[...]"), r"(\.[^.\[]+|\[\d+\])")
    return re.fullmatch(pattern, found) is not None
