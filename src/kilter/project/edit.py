"""Edits of `kilter.yaml` that change only the lines they must: comments, order, quotes and line ends stay.

Each edit proposes where to cut and insert, reads the result back, and keeps it only if exactly the intended data
changed; a file too unusual for that is refused with what to write by hand, never damaged.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kilter.errors import BadInput
from kilter.project.edit_text import Cut, Sheet
from kilter.project.faults import InvalidProject
from kilter.project.source import Source, content, decode, read

Data = dict[str, Any]
Proposals = Callable[[Sheet], Iterator[Cut]]
Entry = None | str | Mapping[str, Any]

FILE = "kilter.yaml"
BOM = "\ufeff"


def set_stopped(text: str) -> str:
    """Return the text with `cluster.stopped: true` (LC-16); raises BadInput when the file cannot be edited."""

    def wanted(data: Data) -> Data:
        return data | {"cluster": _map_at(data, "cluster") | {"stopped": True}}

    return _edited(text, wanted, _stopped_proposals, "`stopped: true` under `cluster:`")


def clear_stopped(text: str) -> str:
    """Return the text without `cluster.stopped`, and without a `cluster:` that holds nothing else (LC-Q14).

    One that holds comments stays, empty.
    """
    commented = _is_commented(_sheet(text), "cluster")

    def wanted(data: Data) -> Data:
        cluster = data.get("cluster")
        if not isinstance(cluster, dict) or "stopped" not in cluster:
            return data
        rest = {key: value for key, value in cluster.items() if key != "stopped"}
        kept = {key: value for key, value in data.items() if key != "cluster" or commented}
        return kept | {"cluster": rest or None} if rest or commented else kept

    return _edited(
        text, wanted, lambda sheet: _cleared_proposals(sheet, emptied=commented), "no `stopped` under `cluster:`"
    )


def add_service(text: str, name: str, entry: Entry = None) -> str:
    """Return the text with a service added: None for defaults, a version, or a map of settings (CT-8).

    The form of `services` that the file has, map or list, is kept; a service that is there stays as it is, except
    that `false` gives way. Raises BadInput when the file cannot be edited or a list would have to hold settings.
    """
    sheet = _sheet(text)
    services = sheet.value("services")
    if services is not None and services.items and entry is not None:
        hint = f"write `services:` as a map, then add `{name}: {json.dumps(entry)}`"
        raise BadInput(f"{name} cannot get settings, because `services` is a list of names", hint=hint)
    settings = dict(entry) if isinstance(entry, Mapping) else entry

    def wanted(data: Data) -> Data:
        present = data.get("services")
        if isinstance(present, list) and present:
            return data | {"services": present if name in present else [*present, name]}
        if isinstance(present, dict) and present.get(name, False) is not False:
            return data
        if isinstance(present, dict) and name in present and present[name] is None:
            return data
        return data | {"services": _map_at(data, "services") | {name: settings}}

    return _edited(text, wanted, lambda sheet: _service_proposals(sheet, name, settings), f"`{name}` under `services:`")


def set_platform(text: str, app: str, registry: str) -> str:
    """Return the text with `app`, and with `deploy.registry` unless that is empty; what is written there stays (DP-Q3).

    A key that is there without a value gets it. Raises BadInput when the file cannot be edited.
    """

    def named(data: Data) -> Data:
        return data if data.get("app") is not None else data | {"app": app}

    text = _edited(text, named, lambda sheet: sheet.set_scalar("app", app), f"`app: {app}`")
    if not registry:
        return text

    def wanted(data: Data) -> Data:
        deploy = _map_at(data, "deploy")
        return data if deploy.get("registry") is not None else data | {"deploy": deploy | {"registry": registry}}

    return _edited(text, wanted, lambda sheet: _registry_proposals(sheet, registry), "`registry` under `deploy:`")


def text_of(file: Path) -> str:
    """Return the text of a file as it is, line ends and byte order mark included; raises InvalidProject, OSError."""
    found = content(file)
    decode(found, file.name)
    return found.decode("utf-8")


def _sheet(text: str) -> Sheet:
    source = _read(text.removeprefix(BOM))
    if source.root is not None and source.root.pairs is None and source.root.data() is not None:
        raise BadInput(f"{FILE} cannot be edited", why="it is not a map of keys")
    return Sheet(source.text, source.root if source.root is not None and source.root.pairs is not None else None)


def _read(text: str) -> Source:
    return read(decode(text.encode("utf-8"), FILE), FILE)


def _edited(text: str, wanted: Callable[[Data], Data], proposals: Proposals, by_hand: str) -> str:
    sheet = _sheet(text)
    before = sheet.root.data() if sheet.root else {}
    after = wanted(before)
    if after == before and _same_booleans(after, before):
        return text
    known = len(_read(sheet.text).faults)
    sections = [node for node in (sheet.value("cluster"), sheet.value("services")) if node is not None]
    shared = any(node.is_alias for node in sections)  # what is edited there would change elsewhere too
    for cut in () if shared else proposals(sheet):
        changed = cut.applied(sheet.text)
        with suppress(InvalidProject):
            result = _read(changed)
            if (result.root.data() if result.root else None) in (after, after or None) and len(result.faults) <= known:
                return (BOM if text.startswith(BOM) else "") + changed
    raise BadInput(f"{FILE} cannot be edited safely", why="its form is unusual", hint=f"write by hand: {by_hand}")


def _map_at(data: Data, section: str) -> Data:
    """Return a section, empty when absent; raises BadInput when it holds something other than a map."""
    held = data.get(section)
    if held is None or held == []:
        return {}
    if not isinstance(held, dict):
        raise BadInput(f"{FILE} cannot be edited", why=f"`{section}` is not a map")
    return held


def _same_booleans(one: Data, other: Data) -> bool:
    """Tell apart 1 and true, which compare equal."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _stopped_proposals(sheet: Sheet) -> Iterator[Cut]:
    cluster = sheet.value("cluster")
    if cluster is None or (cluster.pairs is None and cluster.value is None) or cluster.pairs == []:
        yield from sheet.set_section("cluster", ["stopped: true"], "{stopped: true}")
        return
    for key, value in cluster.pairs or []:
        if key.value == "stopped":
            yield sheet.replace_value(key, value, "true")
            return
    yield from sheet.first_in(cluster, ["stopped: true"])


def _is_commented(sheet: Sheet, section: str) -> bool:
    """Tell whether a section of block style has comments beside its key, or below it and indented like its content."""
    if sheet.root is None or sheet.root.flow or not (value := sheet.value(section)) or value.flow:
        return False
    first, *below = sheet.lines_of(section)
    rest = [line for line in below if line.strip()]
    return " #" in first or any(line.lstrip().startswith("#") and line[: sheet.root.column].isspace() for line in rest)


def _cleared_proposals(sheet: Sheet, *, emptied: bool) -> Iterator[Cut]:
    cluster = sheet.value("cluster")
    assert sheet.root is not None
    assert cluster is not None
    if emptied or len(cluster.pairs or []) > 1:
        yield from sheet.remove(cluster, "stopped")
        return
    if not cluster.flow and cluster.pairs:
        yield sheet.remove_lines([sheet.pair(sheet.root, "cluster")[0], *cluster.pairs[0]])
    yield from sheet.remove(sheet.root, "cluster")


def _registry_proposals(sheet: Sheet, registry: str) -> Iterator[Cut]:
    deploy, line = sheet.value("deploy"), f"registry: {registry}"
    if deploy is None or not deploy.pairs:
        yield from sheet.set_section("deploy", [line], "{" + line + "}")
    elif present := sheet.pair_of(deploy, "registry"):
        yield sheet.replace_value(*present, registry)
    else:
        yield from sheet.last_in(deploy, [line], line)


def _service_proposals(sheet: Sheet, name: str, entry: Any) -> Iterator[Cut]:
    services = sheet.value("services")
    lines, flow = _block(name, entry), f"{name}: {json.dumps(entry, ensure_ascii=False)}"
    if services is None or not (services.pairs or services.items):
        yield from sheet.set_section("services", lines, "{" + flow + "}")
        return
    if services.items:
        yield from sheet.append_item(services, name)
        return
    for key, value in services.pairs or []:
        if key.value == name:
            yield sheet.replace_value(key, value, "" if entry is None else json.dumps(entry, ensure_ascii=False))
            return
    yield from sheet.last_in(services, lines, flow)


def _block(key: str, value: Any) -> list[str]:
    """Return `key: value` as lines of block style; texts are quoted, so that nobody reads them as numbers."""
    if value is None:
        return [f"{key}:"]
    if isinstance(value, dict) and value:
        return [f"{key}:", *(f"  {line}" for name, part in value.items() for line in _block(name, part))]
    return [f"{key}: {json.dumps(value, ensure_ascii=False)}"]


__all__ = ["Entry", "add_service", "clear_stopped", "set_platform", "set_stopped", "text_of"]
