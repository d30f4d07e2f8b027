"""Who may open the store's database: the logins of apps are the same server's, and PostgreSQL lets in everybody.

From inside, any login may hold the names that transactions wait for. So the doors are shut whenever a server starts,
before it waits for a name itself: what an earlier release left open is shut too.
"""

from typing import Final

from kilter.server.store.engine import Tx

PUBLIC: Final = "EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a WHERE a.grantee = 0)"
# The server's own databases are shut where they are this login's: in a server from elsewhere others may need them.
OPEN: Final = f"""
SELECT quote_ident(datname) AS name FROM pg_database WHERE {PUBLIC} AND (
    datname = current_database() AND pg_has_role(datdba, 'USAGE')
    OR datname IN ('postgres', 'template1') AND pg_get_userbyid(datdba) = current_user
)
"""  # noqa: S608 - a constant
OWN: Final = f"SELECT 1 AS found FROM pg_database WHERE datname = current_database() AND {PUBLIC}"  # noqa: S608
INSIDE: Final = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()
    AND usesysid IS NOT NULL AND NOT has_database_privilege(usesysid, datid, 'CONNECT')
    AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))
"""


def shut(tx: Tx) -> None:
    """Let into the store's database whom its owner names, and end the sessions of all others."""
    for row in tx.rows(OPEN):
        tx.execute(f"REVOKE ALL ON DATABASE {row['name']} FROM PUBLIC")
    tx.rows(INSIDE)


def is_open(tx: Tx) -> bool:
    """Tell whether everybody may open the store's database all the same: this login is not its owner."""
    return tx.row(OWN) is not None
