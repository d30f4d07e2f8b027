"""What the operator counts, in Prometheus' text format, and whether it is alive: one small HTTP server."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

Labels = tuple[tuple[str, str], ...]
BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)  # seconds
HELP: Final[Mapping[str, tuple[str, str]]] = {
    "kilter_operator_reconciles_total": ("counter", "Looks at a KilterApp, by how they ended."),
    "kilter_operator_reconcile_seconds": ("histogram", "Seconds that a look at a KilterApp took."),
    "kilter_operator_queue_keys": ("gauge", "KilterApps that wait to be looked at."),
    "kilter_operator_working": ("gauge", "KilterApps that are being looked at."),
    "kilter_operator_leader": ("gauge", "1 while this process leads."),
    "kilter_operator_watch_events_total": ("counter", "Changes that the watches told of, by kind."),
    "kilter_operator_watch_restarts_total": ("counter", "Watches that had to start over, by kind and reason."),
    "kilter_operator_objects": ("gauge", "Objects in the watches' stores, by kind."),
    "kilter_operator_apps": ("gauge", "KilterApps by phase."),
}
Sample = tuple[str, Labels, float]


@dataclass
class Metrics:
    """Counts. `gauges` are asked at each reading. Thread-safe."""

    gauges: list[Callable[[], Iterable[Sample]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counters: "defaultdict[tuple[str, Labels], float]" = field(default_factory=lambda: defaultdict(float))

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        with self._lock:
            self._counters[name, tuple(sorted(labels.items()))] += by

    def observe(self, name: str, seconds: float) -> None:
        """Add a duration to a histogram."""
        with self._lock:
            for bound in BUCKETS:
                self._counters[f"{name}_bucket", (("le", str(bound)),)] += float(seconds <= bound)
            self._counters[f"{name}_bucket", (("le", "+Inf"),)] += 1.0
            self._counters[f"{name}_sum", ()] += seconds
            self._counters[f"{name}_count", ()] += 1.0

    def text(self) -> str:
        """Return everything in the text format."""
        with self._lock:
            samples: list[Sample] = [(name, labels, value) for (name, labels), value in self._counters.items()]
        for gauge in self.gauges:
            samples += gauge()
        lines = []
        for name, (kind, about) in HELP.items():
            own = [each for each in samples if each[0] == name or (kind == "histogram" and _family(each[0]) == name)]
            if own:
                lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *map(_line, own)]
        return "\n".join(lines) + "\n"


def _family(name: str) -> str:
    return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")


def _line(sample: Sample) -> str:
    name, labels, value = sample
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass
class Health:
    """Whether the process is of use: its loop turns, and its stores are filled."""

    limit: float = 30.0  # seconds that the loop may be still
    is_ready: Callable[[], bool] = lambda: False
    _beat: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        """Note that the loop turns."""
        self._beat = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the loop has turned lately."""
        return time.monotonic() - self._beat < self.limit


class Endpoint(ThreadingHTTPServer):
    """Serves /metrics, /healthz and /readyz from a thread of its own; `start` and `close` go together."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], metrics: Metrics, health: Health) -> None:
        self.metrics = metrics
        self.health = health
        super().__init__(address, _Handler)
        self._thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, path: str) -> tuple[int, str]:
        """Return status and text for a path."""
        if path == "/metrics":
            return 200, self.metrics.text()
        states = {"/healthz": self.health.alive, "/readyz": self.health.alive and self.health.is_ready()}
        if path not in states:
            return 404, "there is nothing here\n"
        return (200, "ok\n") if states[path] else (503, "not yet\n")


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    timeout = 5  # seconds that a client may be silent
    server_version, sys_version = "kilter-operator", ""

    def do_GET(self) -> None:
        status, text = self.server.answer(self.path)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Leave the base class's own lines out."""
