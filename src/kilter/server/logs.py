"""The server's own log: one JSON object per line on standard error, so that no text in it can pretend to be a line."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Writes a record as one line; facts that came with it stand beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure() -> None:
    """Send everything of this server, and warnings of others, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("kilter").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
