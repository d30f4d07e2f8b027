"""How the server says no: one exception that carries an answer of `kilter.api.errors_v1`."""

from collections.abc import Mapping
from typing import Any

from kilter.api.errors_v1 import STATUS_OF, ErrorBody
from kilter.render.names import Slot

# Word for word the same for what is missing and what is foreign (DP-Q73).
NOT_FOUND = "there is no such thing, or this token may not see it"


class Refused(Exception):
    """A request that is not carried out. The code gives the status; `next` is the command to run."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        next: str | None = None,  # noqa: A002 - the word of the wire
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.next = code, message, field, next
        self.details = dict(details or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS_OF[self.code]

    def body(self, request_id: str) -> ErrorBody:
        """Return what is sent."""
        return ErrorBody(
            code=self.code,
            message=self.message,
            field=self.field,
            next=self.next,
            details=self.details,
            request_id=request_id,
        )


def not_found() -> Refused:
    """Return the one answer for what is missing or foreign."""
    return Refused("not_found", NOT_FOUND)


def host_taken(slot: Slot, host: str, holder: str) -> Refused:
    """Return the answer for a host that is somebody else's (DP-Q9): whose it is, and under which name to deploy."""
    proposed = f"{slot.org}-{slot.app}"
    message = f"the host {host} belongs to {holder}; deploy this one as {slot.org}/{proposed}"
    return Refused("host_taken", message, details={"host": host, "proposed_app": proposed})


class Unavailable(Exception):
    """The store, the cluster or the registry does not answer; the caller gets 503 and no details."""

    @property
    def facts(self) -> dict[str, str]:
        """What the log says of it: also what the other side said first, which repeats no password."""
        reason = str(self.__cause__ or "").partition("\n")[0][:300]
        return {"error": str(self)} | ({"reason": reason} if reason else {})
