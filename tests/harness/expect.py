"""Runs the `expect.yaml` of an example; its grammar stands at the head of examples/shop/expect.yaml."""

import http.client
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
import redis
import yaml

from kilter.words import duration

PAUSE = 0.1


class Unmet(AssertionError):
    """A step did not hold."""


@dataclass
class Expectations:
    """One run: the app's address, the services' connection strings, the project's folder, and what was saved."""

    app: str
    services: Mapping[str, str]
    folder: Path
    saved: dict[str, Any] = field(default_factory=dict)

    def run(self, file: Path) -> int:
        """Run all steps in order and return how many there were; raises Unmet at the first that does not hold."""
        steps = yaml.safe_load(file.read_text())["steps"]
        for step in steps:
            self.step(step)
        return len(steps)

    def step(self, step: Mapping[str, Any]) -> None:
        """Run one step."""
        [(kind, body)] = step.items()
        if kind == "eventually":
            self.eventually(dict(body))
        elif kind == "steps":
            for inner in body:
                self.step(inner)
        else:
            {"http": self.http, "sql": self.sql, "redis": self.redis, "edit": self.edit}[kind](self.filled(body))

    def eventually(self, body: dict[str, Any]) -> None:
        """Repeat a step until it holds or its time is over."""
        limit = time.monotonic() + duration(body.pop("within"))
        while True:
            try:
                return self.step(body)
            except (Unmet, OSError, http.client.HTTPException, psycopg.Error, redis.RedisError) as error:
                if time.monotonic() > limit:
                    raise Unmet(f"in time: {error}") from error
                time.sleep(PAUSE)

    def http(self, body: Mapping[str, Any]) -> None:
        """One request to the app."""
        method, expected = body.get("method", "GET"), body["expect"]
        if unknown := expected.keys() - {"status", "headers", "text", "contains", "json", "save"}:
            raise ValueError(f"nothing is known of {', '.join(sorted(unknown))}")
        status, headers, text = self.request(method, body["path"], body.get("json"), body.get("form"))
        where = f"{method} {body['path']}"
        if status != expected.get("status", status):
            raise Unmet(f"{where}: status {status}, wanted {expected['status']}: {text[:300]}")
        for name, value in expected.get("headers", {}).items():
            if headers.get(name.lower()) != value:
                raise Unmet(f"{where}: header {name} is {headers.get(name.lower())!r}, wanted {value!r}")
        if "text" in expected and text != expected["text"]:
            raise Unmet(f"{where}: {text!r}, wanted {expected['text']!r}")
        if expected.get("contains", "") not in text:
            raise Unmet(f"{where}: {expected['contains']!r} is not in {text[:2000]!r}")
        if "json" in expected:
            holds(where, json.loads(text), expected["json"])
        for name, key in expected.get("save", {}).items():
            self.saved[name] = json.loads(text)[key]

    def request(self, method: str, path: str, document: Any, form: Any) -> tuple[int, dict[str, str], str]:
        """Send a request and return status, headers (names in lower case) and body."""
        address = urlsplit(self.app)
        content: str | None = None
        headers = {"Connection": "close"}
        if document is not None:
            content, headers["Content-Type"] = json.dumps(document), "application/json"
        elif form is not None:
            content, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(address.hostname or "localhost", address.port, timeout=10)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def sql(self, body: Mapping[str, Any]) -> None:
        """One statement on a PostgreSQL service."""
        with psycopg.connect(self.services[body["service"]], connect_timeout=5) as connection:
            rows = [list(row) for row in connection.execute(body["query"]).fetchall()]
        holds(body["query"], rows, body["expect"])

    def redis(self, body: Mapping[str, Any]) -> None:
        """One command on a Redis service."""
        with redis.Redis.from_url(self.services[body["service"]], decode_responses=True) as client:
            reply = client.execute_command(*map(str, body["command"]))
        holds(" ".join(map(str, body["command"])), reply, body["expect"])

    def edit(self, body: Mapping[str, Any]) -> None:
        """Replace a text in a source file."""
        file = self.folder / body["file"]
        old, new = body["replace"]
        text = file.read_text()
        if text.count(old) != 1:
            raise Unmet(f"{body['file']} holds {old!r} {text.count(old)} times")
        file.write_text(text.replace(old, new))

    def filled(self, value: Any) -> Any:
        """Put the saved values in the place of `{name}`; other braces mean themselves."""
        if isinstance(value, dict):
            return {self.filled(key): self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\{(\w+)\}", value)
        if whole and whole[1] in self.saved:
            return self.saved[whole[1]]
        return re.sub(r"\{(\w+)\}", lambda match: str(self.saved.get(match[1], match[0])), value)


def holds(where: str, found: Any, wanted: Any) -> None:
    """Compare as expect.yaml says: maps by the wanted keys, lists by length and element, the rest by type and value."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, inner in wanted.items():
            if key not in found:
                raise Unmet(f"{where}: no {key!r} in {found!r}")
            holds(f"{where} .{key}", found[key], inner)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            holds(f"{where} [{number}]", one, other)
    elif type(found) is not type(wanted) or found != wanted:
        raise Unmet(f"{where}: {found!r}, wanted {wanted!r}")
