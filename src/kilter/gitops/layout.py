"""Which files a deploy becomes, and where they lie. Pure; no name that is given can lead out of its own folder."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kilter.errors import BadInput
from kilter.gitops.flux import APP, ENV, ORG, Flux, kustomization
from kilter.gitops.model import Change, Fence
from kilter.render.text import dump, load_all
from kilter.tools.git import Edit

APPS, CLUSTERS, LEADER = "apps", "clusters", ".kilter/leader"
LIST, RECEIPT = "kustomization.yaml", "kilter-receipt.json"
RESERVED = frozenset({LIST, "kustomization.yml", "kustomization", RECEIPT})
HEADER = "# Written by kilter. An edit here lasts until the next deploy; the history keeps it.\n"
ENV_LIMIT, NAME_LIMIT, FILE_LIMIT, CHANGE_LIMIT = 32, 40, 1024 * 1024, 4 * 1024 * 1024  # characters, then bytes

_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?\Z")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_FILE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,250}[a-z0-9])?\Z")
_POINTERS = re.compile(rf"{CLUSTERS}/[a-z0-9-]+/envs\Z")
_DOCUMENT = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)  # YAML allows this at the start of a line nowhere else
_UNSAFE = re.compile(r"[^a-z0-9.-]")

README = """# What runs on the cluster

Everything here is applied by Flux; nothing else applies it. kilter's operator writes these paths and no others:

- `apps/<org>/<app>/<env>/`: the manifests of one env. What `kustomization.yaml` lists is applied, the rest is not.
- `clusters/<cluster>/envs/`: one Flux Kustomization per env, each with a service account of its own.
- `.kilter/leader`: which operator may write.

Files of others stay as they are. An edit to a file of kilter's is applied like any other commit, lasts until the next
deploy of that env, is reported by it, and stays in the history. Nobody needs to force-push; kilter never does.
"""


@dataclass(frozen=True)
class Laid:
    """A change as files: full path → text, none for a removal. It may use its `folder` and `pointer`, nothing else."""

    change: Change
    folder: str
    pointer: str  # the path of the env's Flux Kustomization
    files: Mapping[str, str]

    @property
    def receipt(self) -> str:
        """The path of the list of what kilter wrote."""
        return f"{self.folder}/{RECEIPT}"


def lay_out(change: Change, flux: Flux) -> Laid:
    """Turn a change into the files of the repository.

    Raises BadInput for a name outside of the grammar, a file that is too large or no text, and a Secret in clear.
    """
    _check_names(change, flux)
    folder = f"{APPS}/{change.org}/{change.app}/{change.env}"
    pointer = f"{CLUSTERS}/{flux.cluster}/envs/{change.namespace}.yaml"
    if change.files is None:
        return Laid(change, folder, pointer, {})
    _check_files(change)
    listed = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [*sorted(change.files)],
    }
    files = {f"{folder}/{name}": text for name, text in (*change.files.items(), *change.beside.items())}
    files[f"{folder}/{LIST}"] = dump(listed, HEADER)
    files[pointer] = dump(kustomization(change, folder, flux), HEADER)
    owned = {path: blob_id(text) for path, text in sorted(files.items())}
    files[f"{folder}/{RECEIPT}"] = json.dumps({"version": 1, "files": owned}, indent=1) + "\n"
    return Laid(change, folder, pointer, dict(sorted(files.items())))


def split(rendered: str) -> dict[str, str]:
    """Split rendered YAML into one text per object: `deployment-shop.yaml` → text as rendered, ordered by name.

    Raises BadInput for a document that is no object, and for two of the same kind and name.
    """
    found: dict[str, str] = {}
    for part in _DOCUMENT.split(rendered):
        for document in _parse("the rendered manifests", part):
            name = file_name(document)
            if name in found:
                raise BadInput(f"two rendered objects would be the file {name}")
            found[name] = f"{HEADER}{part.strip()}\n"
    return dict(sorted(found.items()))


def file_name(document: Mapping[str, Any]) -> str:
    """Return the name of an object's file. Raises BadInput when the object has no kind or no name."""
    metadata = document.get("metadata")
    kind, name = document.get("kind"), metadata.get("name") if isinstance(metadata, dict) else None
    if not (isinstance(kind, str) and isinstance(name, str) and kind and name):
        raise BadInput("a rendered document is no Kubernetes object", why="it has no kind or no metadata.name")
    text = f"{kind}-{name}".lower()
    safe = _UNSAFE.sub("-", text)
    # Names that differ in a character which no file name takes must not meet in one file.
    return f"{safe if safe == text else f'{safe}-{blob_id(text)[:8]}'}.yaml"


def claim(fence: Fence, existing: Iterable[str], flux: Flux) -> tuple[Edit, ...]:
    """Return the files by which a leader takes over; what an empty repository lacks is written too."""
    there = {path.lower() for path in existing}
    first = f"{CLUSTERS}/{flux.cluster}/kilter.yaml"
    edits = [Edit(LEADER, leader_text(fence))]
    if not any(path.startswith("readme") for path in there):
        edits.append(Edit("README.md", README))
    if first not in there:
        # Flux cannot apply a folder without objects, and there is none before the first deploy.
        about = {"name": "kilter-repository", "namespace": flux.namespace}
        marker = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"layout": "1"}}
        edits.append(Edit(first, dump(marker, HEADER)))
    return tuple(edits)


def leader_text(fence: Fence) -> str:
    """Return the content of the file that says who leads; the same leader always gives the same bytes."""
    return json.dumps({"number": fence.number, "holder": fence.holder}) + "\n"


def parse_leader(data: bytes) -> Fence | None:
    """Read the file that says who leads; None when it is not as kilter writes it."""
    try:
        found = json.loads(data)
        number, holder = found["number"], found["holder"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Fence(number, holder) if type(number) is int and isinstance(holder, str) else None


def parse_receipt(data: bytes, folder: str) -> dict[str, str]:
    """Read the list of what kilter wrote for the env in `folder`, path → id.

    The list is a file like any other: entries that lie neither in the folder nor among the pointers are not believed.
    """
    try:
        files = json.loads(data)["files"]
        pairs = [(path, identifier) for path, identifier in files.items() if isinstance(identifier, str)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return {path: identifier for path, identifier in pairs if _is_own(path, folder)}


def points_at(data: bytes, change: Change) -> bool:
    """Tell whether the text of a Flux Kustomization is that of this very env."""
    try:
        labels = load_all(data.decode())[0]["metadata"]["labels"]
        return (labels.get(ORG), labels.get(APP), labels.get(ENV)) == (change.org, change.app, change.env)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def blob_id(text: str) -> str:
    """Return the id under which Git keeps a file of this text."""
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _is_own(path: str, folder: str) -> bool:
    parent, _, name = path.rpartition("/")
    return _FILE.match(name) is not None and (parent == folder or _POINTERS.match(parent) is not None)


def _check_names(change: Change, flux: Flux) -> None:
    for what, name, limit in (
        ("org", change.org, NAME_LIMIT),
        ("app", change.app, NAME_LIMIT),
        ("env", change.env, ENV_LIMIT),
    ):
        if len(name) > limit or not _NAME.match(name) or "--" in name:
            raise BadInput(f"{name[:80]!r} is no {what} name", why=f"at most {limit} of a-z, 0-9 and single dashes")
    for what, name in (("namespace", change.namespace), ("cluster", flux.cluster)):
        if not _LABEL.match(name):
            raise BadInput(f"{name[:80]!r} is no {what} name", why="at most 63 of a-z, 0-9 and dashes")


def _check_files(change: Change) -> None:
    files = {**change.beside, **(change.files or {})}
    if not change.files:
        raise BadInput(f"a deploy of {change.label} has no files", hint="to remove the env, submit it without files")
    if len(files) != len(change.beside) + len(change.files):
        raise BadInput(f"a file of {change.label} is both applied and kept beside")
    total = 0
    for name, text in files.items():
        if not _FILE.match(name) or name in RESERVED:
            raise BadInput(f"{name[:80]!r} cannot be a file of {change.label}")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise BadInput(f"{name} of {change.label} is no text") from None
        total += size
        if size > FILE_LIMIT or total > CHANGE_LIMIT:
            raise BadInput(f"the files of {change.label} are too large", why=f"{name} has {size} bytes, all {total}")
        if _secret_in_clear(name, text):
            raise BadInput(f"{name} of {change.label} holds a Secret in clear", hint="encrypt it with SOPS")


def _secret_in_clear(name: str, text: str) -> bool:
    """Tell whether a text holds a Secret with values that SOPS has not encrypted (SC-8, F38)."""
    if "Secret" not in text and "\\" not in text:  # an escape can spell the word otherwise
        return False
    found = _objects(_parse(name, text))
    return any(document.get("kind") == "Secret" and not _encrypted(document) for document in found)


def _parse(what: str, text: str) -> list[dict[str, Any]]:
    try:
        return load_all(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{what}: not YAML", why=" ".join(str(error).split())) from None


def _encrypted(secret: Mapping[str, Any]) -> bool:
    values = [value for part in ("data", "stringData") for value in (secret.get(part) or {}).values()]
    return all(isinstance(value, str) and value.startswith("ENC[") for value in values)


def _objects(documents: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    """Yield the objects and, of a List, the objects in it."""
    for document in documents:
        if isinstance(document, dict):
            yield document
            if isinstance(items := document.get("items"), list):
                yield from _objects(items)
