"""The platform's Git server: one bare repository over smart HTTP, read with one token, written with another.

`python -m kilter.gitops.service --repository <folder> --tokens <file>` serves until it is asked to end. It speaks plain
HTTP: who may reach it at all, and over which encryption, is the cluster's affair.
"""

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kilter.errors import KilterError
from kilter.gitops.http_server import Server
from kilter.gitops.served import LOG, Served
from kilter.gitops.tokens import TokenFile
from kilter.proc import SubprocessRunner


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """Serve in a thread while the block runs, with the repository looked after; ends when all answers are given."""
    over = threading.Event()
    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=_look_after, args=(server, over))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        server.ending = True
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kilter.gitops.service", description="Serve one Git repository.")
    parser.add_argument("--repository", type=Path, required=True, help="folder; made when it is not there")
    parser.add_argument("--tokens", type=Path, required=True, help="file of `read sha256:…` and `write sha256:…` lines")
    parser.add_argument("--branch", default="main", help="first branch of a new repository (%(default)s)")
    parser.add_argument("--listen", default="0.0.0.0:8080", help="address and port (%(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    host, _, port = options.listen.rpartition(":")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        served = Served(options.repository.resolve(), TokenFile(options.tokens), SubprocessRunner())
        served.prepare(options.branch)
        with serving(Server((host.strip("[]"), int(port)), served)):
            LOG.info("serving %s on %s", options.repository, options.listen)
            over.wait()
    except KilterError as error:
        LOG.error("%s%s", error.what, f": {error.why}" if error.why else "")
        return error.exit_code
    return 0


def _look_after(server: Server, over: threading.Event) -> None:
    limits, packed = server.served.limits, time.monotonic()
    while not over.wait(min(limits.request, limits.upkeep)):
        server.served.unlock()
        if time.monotonic() - packed >= limits.upkeep:
            packed = time.monotonic()
            server.served.upkeep()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
