"""What the operator writes for machines to read: one JSON object per line, with the app and the deploy it is about."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Final

FIELDS: Final = ("app", "deploy", "database", "phase", "seconds", "kind", "reason")  # what a caller may pass as `extra`
LEVELS: Final = {"WARNING": "warn", "CRITICAL": "error"}
CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@]+@")  # whatever stands before a host may be a password


class JsonLines(logging.Formatter):
    """Writes a record as one line; a line feed or a control character in it stays inside of its text (S24)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": LEVELS.get(record.levelname, record.levelname.lower()),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        said |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0] is not None:
            # The words of an unforeseen error may hold anything; where it happened may not.
            said["error"] = record.exc_info[0].__name__
            said["trace"] = _places(record)
        return json.dumps(said, ensure_ascii=True)


def redacted(text: str) -> str:
    """Return a text without the user and password part of addresses."""
    return CREDENTIALS.sub("***@", text)


def configure(level: str = "INFO") -> None:
    """Write every record to standard error, as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def _places(record: logging.LogRecord) -> list[str]:
    trace = record.exc_info[2] if record.exc_info else None
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places
