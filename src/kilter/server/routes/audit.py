"""The audit trail."""

from kilter.api.access import AuditEntry, AuditList
from kilter.api.queries import AuditQuery
from kilter.server import access
from kilter.server.call import Answer, Call
from kilter.server.store import audit
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant

ROUNDS = 20  # pages that are looked through for the entries of somebody who sees few projects


async def listed(call: Call) -> Answer:
    """What was done, newest first: where the token is good for it, and all of it where it sees everything."""
    query = call.query
    assert isinstance(query, AuditQuery)
    return Answer(200, await call.store.run(page, call.granted(), query))


def page(tx: Tx, grant: Grant, query: AuditQuery) -> AuditList:
    """Return one page. Its cursor is the id of the last entry that was looked at."""
    filters = filters_of(query)
    shown, before = list[AuditEntry](), query.cursor or None
    for _ in range(ROUNDS):
        found = audit.page(tx, filters=filters, before=before, limit=audit.PAGE_LIMIT)
        for entry in found:
            before = entry.id
            if visible(grant, entry):
                shown.append(entry)
            if len(shown) == query.limit:
                return AuditList(entries=tuple(shown), cursor=before)
        if len(found) < audit.PAGE_LIMIT:
            return AuditList(entries=tuple(shown), cursor=None)
    return AuditList(entries=tuple(shown), cursor=before)


def filters_of(query: AuditQuery) -> dict[str, str]:
    """Return the columns to look for."""
    found = {name: value for name in ("env", "actor", "action", "deploy_id") if (value := getattr(query, name))}
    if query.project is not None:
        found["org"], _, found["app"] = query.project.partition("/")
    return found


def visible(grant: Grant, entry: AuditEntry) -> bool:
    """Tell whether a token may see an entry; those of no project are for who sees everything."""
    if entry.project is None:
        return access.sees_everything(grant)
    org, _, app = entry.project.partition("/")
    return access.reaches_named(grant, org, app, entry.env) if entry.env else access.sees(grant, org, app)
