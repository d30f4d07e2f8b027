"""What the server's tests share with those that need no process and no network."""

from unit.server.conftest import postgres_dsn, runner, shared_web, store, volume, web, webs

__all__ = ["postgres_dsn", "runner", "shared_web", "store", "volume", "web", "webs"]
