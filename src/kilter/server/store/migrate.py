"""The versions of the store's schema: numbered files, each applied once, in order, inside the opening transaction."""

from importlib import resources

from kilter.server import clock
from kilter.server.store.engine import Tx


class SchemaTooNew(Exception):
    """A newer kilter-server has written this store; running an older one on it could lose what it does not know."""


def files() -> dict[int, str]:
    """Return the schema's versions, as number and statements."""
    folder = resources.files("kilter.server.store") / "schema"
    found = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}
    return {int(name.partition("-")[0]): text for name, text in sorted(found.items())}


def migrate(tx: Tx) -> int:
    """Apply what is missing; returns the version. Raises SchemaTooNew."""
    tx.lock("schema")
    tx.execute("CREATE TABLE IF NOT EXISTS kilter_schema (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)")
    found = tx.row("SELECT MAX(version) AS version FROM kilter_schema")
    present, known = (found or {}).get("version") or 0, files()
    if present > max(known):
        raise SchemaTooNew(f"the store has schema {present}; this server knows {max(known)}: start a newer server")
    for version, text in known.items():
        if version > present:
            for statement in statements(text):
                tx.execute(statement)
            tx.execute("INSERT INTO kilter_schema (version, applied_at) VALUES (?, ?)", version, clock.now())
    return max(known)


def statements(text: str) -> list[str]:
    """Split a file into its statements, comments left out; no text in it holds `;` or `--`."""
    code = "\n".join(line.partition("--")[0].rstrip() for line in text.splitlines())
    return [statement.strip() for statement in code.split(";") if statement.strip()]
