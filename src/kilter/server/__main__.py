"""`python -m kilter.server`: puts the server together and runs it until SIGTERM.

`python -m kilter.server registry-key <folder>` makes the key of the registry instead: `key.pem`, and `jwks.json` that
the registry is to trust. `python -m kilter.server token` makes a token and prints it. `python -m kilter.server
condition` prints, as JSON, whether the cluster enforces network policies and whether the store answers the server that
runs here: `true`, `false` or, where that cannot be told, `null`.
"""

import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import uvicorn
import uvloop

from kilter.api import tokens as token_format
from kilter.api.access import Scope
from kilter.errors import BadInput, KilterError, MachineLacks
from kilter.server import administration, clock, condition, logs, settings
from kilter.server.app import create_app
from kilter.server.cluster import connect
from kilter.server.distribution import DistributionRegistry
from kilter.server.manifests import RegistryImages
from kilter.server.opening import ENDING, Patience, open_store
from kilter.server.protocol import Protocol
from kilter.server.refusals import Unavailable
from kilter.server.settings import Settings
from kilter.server.store import tokens
from kilter.server.store.migrate import SchemaTooNew
from kilter.server.store.postgres import PostgresEngine
from kilter.server.store.sqlite import SqliteEngine
from kilter.server.store.tokens import Grant
from kilter.signing import keys
from kilter.state.files import write_whole

log = logging.getLogger("kilter.server")
SECONDS = 30  # of keep-alive, and of grace at the end


async def serve(found: Settings) -> None:
    """Open the store, let the installer in, answer requests. Raises BadInput, Unavailable, SchemaTooNew."""
    store = administration.engine(found)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(store.close)
        if not await open_store(store, Patience()):
            return
        await let_installer_in(store, found)
        key = found.secrets.get("registry_key_file")
        registry = DistributionRegistry(found, keys.read(key)) if key and found.registry else None
        cluster = connect(found.kubeconfig)
        opened.push_async_callback(cluster.close)
        images = RegistryImages(found.registry_url, registry) if registry and found.registry_url else None
        if images is not None:
            opened.push_async_callback(images.close)
        app = create_app(found, store, cluster, registry, images=images)
        gc.freeze()  # what lives as long as the process: to look through it again and again stops all for 50 ms
        config = uvicorn.Config(
            app,
            host=found.host,
            port=found.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=SECONDS,
            timeout_graceful_shutdown=SECONDS,
            http=Protocol,
            ws="none",
        )
        await Server(config, app.state.services.stop).serve()


class Server(uvicorn.Server):
    """Uvicorn that tells open streams of its end, and ends without the signal, so that what it was given is closed.

    By itself it waits for the streams' own ends, and raises the signal once more when all is over.
    """

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for sent in ENDING:
            loop.add_signal_handler(sent, self._end, sent)
        try:
            yield
        finally:
            for sent in ENDING:
                loop.remove_signal_handler(sent)

    def _end(self, sent: int) -> None:
        self._stop()
        self.handle_exit(sent, None)


async def let_installer_in(store: PostgresEngine | SqliteEngine, found: Settings) -> None:
    """Make the installer's token good, as long as there is no other. Raises BadInput."""
    text = found.secrets.get("first_token_file")
    if text is None:
        return
    token = token_format.parse(text)
    if token is None:
        raise BadInput("KILTER_SERVER_FIRST_TOKEN_FILE holds no token of kilter's format")
    now = clock.now()
    grant = Grant(token.id, "admin", "admin", (Scope(project="*/*"),), now + tokens.LIFETIME)
    await store.run(tokens.insert_first, token, grant, now=now)


def make_registry_key(folder: Path) -> None:
    """Write a new key and the set of keys that trusts it; an existing key is never replaced. Raises BadInput.

    One whose making was cut off before the set is given it.
    """
    pem, trusted = folder / "key.pem", folder / "jwks.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        was_cut_off = pem.exists() and not trusted.exists()
        if not was_cut_off:
            fresh = folder / ".key.pem"
            write_whole(fresh, keys.generate())
            try:
                pem.hardlink_to(fresh)  # fails where there is a key
            finally:
                fresh.unlink()
        write_whole(trusted, json.dumps(keys.jwks(keys.read(pem.read_text())), indent=2) + "\n", 0o644)
    except (OSError, MachineLacks) as error:
        why = error.why if isinstance(error, MachineLacks) else str(error.strerror)
        raise BadInput(f"{folder} cannot take a key", why=why) from error


def main(arguments: list[str]) -> int:
    """Run the server, or make a key; returns the exit code."""
    logs.configure()
    try:
        match arguments:
            case []:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(serve(settings.read(os.environ)))
            case ["token", *words]:
                made = asyncio.run(administration.token(settings.read(os.environ), words))
                os.write(1, f"{made}\n".encode())  # the answer itself; the server's logs go the same way
            case ["condition"]:
                os.write(1, f"{json.dumps(asyncio.run(condition.found(settings.read(os.environ))))}\n".encode())
            case ["registry-key", folder]:
                make_registry_key(Path(folder))
            case _:
                raise BadInput(
                    "python -m kilter.server takes no arguments, or one of `registry-key`, `token`, `condition`"
                )
    except (KilterError, Unavailable, SchemaTooNew) as error:
        told = (error.why, *error.details, error.hint) if isinstance(error, KilterError) else ()
        known = error.facts if isinstance(error, Unavailable) else {"error": str(error)}
        log.error("cannot start", extra={"facts": known | {"details": [line for line in told if line]}})
        return error.exit_code if isinstance(error, KilterError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
