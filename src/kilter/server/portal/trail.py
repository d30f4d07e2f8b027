"""The audit trail."""

from starlette.responses import Response

from kilter.api.access import AuditEntry, AuditList
from kilter.api.queries import AuditQuery
from kilter.server.portal.visit import Visit


async def trail(visit: Visit) -> Response:
    """Who did what, newest first."""
    query = visit.query(AuditQuery)
    found = await visit.document(AuditList, "GET /v1/audit", query=query)
    filters = {name: getattr(query, name) or "" for name in ("project", "env", "actor", "action", "deploy_id")}
    entries = [(entry, *outcome(entry)) for entry in found.entries]
    return visit.page("audit.html", entries=entries, cursor=found.cursor, filters=filters)


def outcome(entry: AuditEntry) -> tuple[str, str]:
    """Return what became of a call, and the colour of that."""
    if entry.status == 0:
        return "no answer", "bad"
    if entry.status < 400:
        return "done", "good"
    return (entry.code or str(entry.status)).replace("_", " "), "bad" if entry.status >= 500 else "past"
