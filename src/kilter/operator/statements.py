"""What the operator says to PostgreSQL within one transaction, which the caller has opened. It may be said again.

Whose a role or a database is, is looked at once more in it: somebody may have made one of the name meanwhile.
"""

from typing import Any, Final

import psycopg
from psycopg import sql

from kilter.operator import effects
from kilter.operator.effects import DatabaseEffect

ROLE_CONNECTIONS: Final = 40  # of one app; one must not exhaust the server for all others (F35)

ROLES: Final = """
SELECT r.rolname, r.rolcanlogin, coalesce(shobj_description(r.oid, 'pg_authid'), ''),
    CASE WHEN isfinite(r.rolvaliduntil) THEN extract(epoch FROM r.rolvaliduntil - now())::float8 END
FROM pg_roles r WHERE r.rolname = ANY(%s)
"""
# Of the roles of others nothing is even read: what they are called need not be text here.
EXPIRED: Final = """
SELECT r.rolname, shobj_description(r.oid, 'pg_authid') FROM pg_roles r
WHERE NOT r.rolcanlogin AND r.rolvaliduntil < now() AND starts_with(shobj_description(r.oid, 'pg_authid'), %s)
"""
OWNED_BY: Final = """
SELECT 1 FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
WHERE d.datname = %s AND r.rolname = %s
"""


def change(connection: "psycopg.Connection[Any]", effect: DatabaseEffect) -> None:
    """Carry out one effect inside of a transaction; what was done before is not done again."""
    match effect:
        case effects.CreateRole(name, mark):
            # One that somebody else made since it was looked at is met with the server's refusal.
            if _role_mark(connection, name) != mark:
                _run(connection, "CREATE ROLE {0} NOLOGIN INHERIT CONNECTION LIMIT {1}", name, ROLE_CONNECTIONS)
                _run(connection, "COMMENT ON ROLE {0} IS {1}", name, sql.Literal(mark))
                # The one who makes a role may admit itself; without it no database can be made for the role.
                _run(connection, "GRANT {0} TO CURRENT_USER", name)
        case effects.AdmitRole(owner, member):
            _run(connection, "GRANT {0} TO {1}", owner, sql.Identifier(member))
        case effects.SetPassword(role, password):
            hold(connection, role)
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            _run(connection, "ALTER ROLE {0} LOGIN PASSWORD {1} VALID UNTIL 'infinity'", role, sql.Literal(verifier))
        case effects.SealDatabase(name, owner, mark):
            if _is_of(connection, name, owner):
                _run(connection, "REVOKE ALL ON DATABASE {0} FROM PUBLIC", name)
                _run(connection, "COMMENT ON DATABASE {0} IS {1}", name, sql.Literal(mark))
        case effects.CloseRole(name, mark, days):
            hold(connection, name)
            if _role_mark(connection, name) == mark:
                _run(connection, "ALTER ROLE {0} NOLOGIN VALID UNTIL {1}", name, sql.Literal(_until(connection, days)))
                _end_sessions(connection, "usename", name)
        case effects.RetireDatabase(name, owner, retired):
            retire(connection, name, owner, retired)
        case effects.DropRole(name, mark):
            if _role_mark(connection, name) == mark:
                _run(connection, "DROP ROLE {0}", name)
        case _:
            raise AssertionError(f"not to be done in a transaction: {type(effect).__name__}")


def _until(connection: "psycopg.Connection[Any]", days: int) -> str:
    """Return the end of so many days by the server's own clock, which judges it later."""
    row = connection.execute("SELECT (now() + make_interval(days => %s))::text", (days,)).fetchone()
    return str(row[0]) if row and days else "infinity"


def is_expired(connection: "psycopg.Connection[Any]", effect: effects.ExpireDatabase) -> bool:
    """Hold the login role of a database that was left behind; tell whether it is closed still, and its time over."""
    hold(connection, effect.login)
    found = connection.execute(EXPIRED, (effect.mark,)).fetchall()
    return (effect.login, effect.mark) in found


def hold(connection: "psycopg.Connection[Any]", role: str) -> None:
    """Let nobody else open or close a login role, or drop what it opens, until the end of the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (role,))


def retire(connection: "psycopg.Connection[Any]", name: str, owner: str, retired: str) -> None:
    """Close a database, end its sessions and rename it, if it still is the owner role's."""
    if not _is_of(connection, name, owner):
        return
    _run(connection, "ALTER DATABASE {0} WITH ALLOW_CONNECTIONS false", name)
    _end_sessions(connection, "datname", name)
    _run(connection, "ALTER DATABASE {0} RENAME TO {1}", name, sql.Identifier(retired))


def _end_sessions(connection: "psycopg.Connection[Any]", column: str, value: str) -> None:
    """End the sessions of a role or of a database, and wait for each; the sessions of others stay."""
    select = sql.SQL(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {} = %s AND pid <> pg_backend_pid()"
    )
    connection.execute(select.format(sql.Identifier(column)), (value,))


def _is_of(connection: "psycopg.Connection[Any]", database: str, owner: str) -> bool:
    return connection.execute(OWNED_BY, (database, owner)).fetchone() is not None


def _role_mark(connection: "psycopg.Connection[Any]", name: str) -> str | None:
    row = connection.execute(ROLES, ([name],)).fetchone()
    return None if row is None else str(row[2])


def _run(connection: "psycopg.Connection[Any]", text: str, name: str, *values: Any) -> None:
    connection.execute(sql.SQL(text).format(sql.Identifier(name), *values))
