"""From a saved line of source to its answer: kilter's generated Tiltfile against two written by hand.

One of them does the same job, a web process that loads what is copied and a worker that never runs old code; the other
has the web process alone, and so the machine to itself while that loads.
"""

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.ports import loopback_port

from bench.measure import Goal, Row
from bench.process import Failed, end
from bench.process import run as run_process
from bench.run import Run
from bench.shop import NAME, Shop, copy_example
from bench.web import await_answer

ROUNDS = 10
HAND = "bench-hand"
WRITTEN = Path(__file__).parent / "hand"
BOTH, WEB = "both.tiltfile", "Tiltfile"
CONTEXT = f"kind-kilter-{NAME}"
START = 240.0  # seconds for the first build and deployment
SETTLED = 90.0  # seconds for a Tilt to finish what an edit set going
PAUSE = 2.0
BUSY = ("pending", "in_progress")


@dataclass(frozen=True)
class Loop:
    """One Tilt, its own port and state folder, with the source that it watches and the address that shows it."""

    shop: Shop
    source: Path
    url: str
    port: int
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment for Tilt: this cluster alone, its own state folder."""
        kubeconfig = self.shop.home / ".cache" / "kilter" / NAME / "kubeconfig"
        return self.shop.environment | {
            "KUBECONFIG": str(kubeconfig),
            "TILT_DEV_DIR": str(self.home),
            "TILT_WEB_MODE": "prod",
            "TILT_DISABLE_ANALYTICS": "1",
            "DO_NOT_TRACK": "1",
        }

    def edit(self, text: str) -> float:
        """Save a new greeting; return the seconds until it is served."""
        began = time.monotonic()
        (self.source / "shop" / "greeting.py").write_text(f'"""The line to change."""\n\nGREETING = "{text}"\n')
        await_answer(self.url, lambda found: found == text)
        return time.monotonic() - began

    def settle(self) -> None:
        """Wait until this Tilt has nothing more to do, so that it takes nothing from the other one's turn."""
        limit = time.monotonic() + SETTLED
        time.sleep(PAUSE)
        while self.busy():
            if time.monotonic() > limit:
                raise Failed(f"the Tilt on port {self.port} is still busy {SETTLED:g} s after an edit")
            time.sleep(PAUSE / 4)
        time.sleep(PAUSE / 2)

    def busy(self) -> bool:
        """Tell whether Tilt is building, updating or about to."""
        words = ["get", "uiresources", "--host", "127.0.0.1", "--port", str(self.port), "--output", "json"]
        found = run_process([self.shop.tool("tilt"), *words], self.environment).out
        return any(item.get("status", {}).get("updateStatus") in BUSY for item in json.loads(found)["items"])


def measure(run: Run) -> Sequence[Row]:
    """Edit both in turn, each in a copy of its own and only when neither Tilt has anything else to do."""
    shop = run.shop
    shop.ensure_up()
    tilt = next(row["localhost"] for row in shop.json("env")["variables"] if row["name"] == "TILT_URL")
    loops = {
        "kilter": Loop(
            shop, shop.directory, shop.url("/greeting"), int(tilt.rpartition(":")[2]), shop.data / "tilt" / "home"
        )
    }
    numbers, rows = itertools.count(1), list[Row]()

    def edited(who: str) -> float:
        for loop in loops.values():
            loop.settle()
        seconds = loops[who].edit(f"Edit {next(numbers)}, by {who}")
        run.say(f"edit: {who} {seconds:.2f} s")
        return seconds

    for tiltfile, against, goal in ((BOTH, "hand-written", Goal(1.2)), (WEB, "hand-written, web alone", None)):
        with hand_written(shop, loops["kilter"].port, tiltfile) as loops["hand"]:
            samples = run.interleave(ROUNDS, {who: partial(edited, who) for who in loops})
        rows.append(Row("edit", "save to answer", samples["kilter"], against, samples["hand"], goal, ()))
        del loops["hand"]
    return rows


@contextmanager
def hand_written(shop: Shop, tilt_port: int, tiltfile: str) -> Iterator[Loop]:
    """Run a hand-written Tiltfile on a second copy of the source, in a namespace of its own of the same cluster."""
    source, home, log = shop.base / "hand", shop.base / "tilt-home", shop.base / "hand.log"
    home.mkdir(exist_ok=True)
    copy_example(source)
    node_port = tilt_port - 1  # the last number of the block that is mapped: no service of the shop's has it
    for file in WRITTEN.iterdir():
        shutil.copy(file, source)
    manifest = source / "web.yaml"
    manifest.write_text(manifest.read_text().replace("30000", str(node_port)))
    loop = Loop(shop, source, f"http://localhost:{node_port}/greeting", loopback_port(), home)
    kubectl = [str(shop.tool("kubectl")), "--context", CONTEXT]
    try:
        run_process([*kubectl, "apply", "--filename", "-"], loop.environment, given=json.dumps(objects(shop)))
        child = start_tilt(loop, log, tiltfile)
        try:
            await_first(loop, log)
            yield loop
        finally:
            end(child)
    finally:
        run_process([*kubectl, "delete", "namespace", HAND, "--ignore-not-found"], loop.environment)
        shutil.rmtree(source)


def start_tilt(loop: Loop, log: Path, tiltfile: str) -> "subprocess.Popen[str]":
    """Start the second Tilt with the settings that kilter gives its own."""
    where = ["--file", str(loop.source / tiltfile), "--context", CONTEXT, "--namespace", HAND]
    with log.open("w") as output:
        return subprocess.Popen(
            [str(loop.shop.tool("tilt")), "up", "--stream", *where, "--host", "127.0.0.1", "--port", str(loop.port)],
            cwd=loop.source,
            env=loop.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )


def await_first(loop: Loop, log: Path) -> None:
    """Wait until the hand-written app answers for the first time; Failed with the end of Tilt's log."""
    try:
        await_answer(loop.url, limit=START)
    except Failed as error:
        raise Failed("\n".join([str(error), *log.read_text().splitlines()[-12:]])) from error


def objects(shop: Shop) -> Mapping[str, object]:
    """Return the namespace, and the Secret with the in-cluster addresses of the shop's own services."""
    rows = shop.json("env")["variables"]
    data = {row["name"]: row["inCluster"] for row in rows if row["name"] in ("DATABASE_URL", "REDIS_URL")}
    secret = {"name": "web-env", "namespace": HAND}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HAND}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": data},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}
