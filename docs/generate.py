"""Writes the pages of docs/reference that follow from the code: `python docs/generate.py`, or `make docs`.

With `--check` nothing is written: stale pages are named and the exit code is 1. The same code gives the same bytes.
"""

# long: the pages one after the other, each by a few short functions; one file is a program that runs from anywhere

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from kilter.api.crd import crd
from kilter.api.errors_v1 import STATUS_OF
from kilter.api.schema import portable
from kilter.catalog import load as catalog
from kilter.catalog.model import Entry
from kilter.cli.main import VERBS, kilter
from kilter.deploy.documents import DOCUMENTS as PLATFORM_DOCUMENTS
from kilter.dev.documents import DOCUMENTS as LOCAL_DOCUMENTS
from kilter.operator.steps.admission import NOT_YET
from kilter.platform.documents import DOCUMENTS as ADMIN_DOCUMENTS
from kilter.project.schema import json_schema
from kilter.project.unused import DEPLOY_SIDE, UNUSED
from kilter.server.routes.table import ROUTES, described

REFERENCE = Path(__file__).parent / "reference"
WIDTH = 100  # columns of the help texts, whatever the terminal has
MARK = "<!-- Written by docs/generate.py. Change the code instead, then run `make docs`. -->"
SCHEMA_FILE = "kilter.schema.json"

# Keys that no local command of this release acts on: a file may already hold them.
WITHOUT_EFFECT = frozenset({*(key.path for key in UNUSED), *DEPLOY_SIDE})
# What stands for the keys of a map: everything has a name, environments are chosen by a pattern.
PLACEHOLDERS = {"environments": "<pattern>", "profile.envs": "<pattern>"}
DOCUMENTS = {**LOCAL_DOCUMENTS, **PLATFORM_DOCUMENTS, **ADMIN_DOCUMENTS}


def pages() -> dict[str, str]:
    """Return every generated page: its path below docs/reference, and its text."""
    texts = {
        "cli.md": cli_page(),
        "kilter-yaml.md": project_file_page(json_schema()),
        SCHEMA_FILE: as_json(json_schema()),
        "catalog.md": catalog_page(),
        "http-api.md": http_page(),
        "openapi.json": as_json(described()),
        "kilterapp.md": kilterapp_page(),
    }
    schemas = {f"json/{name}.schema.json": as_json(document_schema(name)) for name in DOCUMENTS}
    return dict(sorted({**texts, **schemas}.items()))


def stale(folder: Path = REFERENCE) -> list[str]:
    """Return the names of the pages on disk that are missing, different, or no longer generated."""
    expected = pages()
    present = {name: (folder / name).read_text(encoding="utf-8") for name in expected if (folder / name).is_file()}
    left_over = [f"json/{file.name}" for file in (folder / "json").glob("*.schema.json")]
    return sorted({name for name, text in expected.items() if present.get(name) != text} | {*left_over} - {*expected})


def write(folder: Path = REFERENCE) -> list[str]:
    """Bring the pages up to date; returns the names of those that changed."""
    changed, expected = stale(folder), pages()
    for name in changed:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name in expected:
            file.write_text(expected[name], encoding="utf-8")
        else:
            file.unlink()
    return changed


def page(title: str, audience: str, *parts: str) -> str:
    """Put a page together from its parts, with the mark of a generated page on top."""
    return "\n\n".join([MARK, f"# {title}", f"*Audience: {audience}*", *parts]) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def as_json(value: object) -> str:
    """Write JSON as a person would."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# The command line


def cli_page() -> str:
    """Return the help of every command, as the command itself prints it on a terminal of 100 columns."""
    with click.Context(kilter, info_name="kilter", terminal_width=WIDTH, **kilter.context_settings) as group:
        sections = [help_section(group)]
        for name in VERBS:
            command = kilter.get_command(group, name)
            assert command is not None, name
            sections += help_sections(click.Context(command, parent=group, info_name=name))
    intro = (
        "Results go to standard output, everything else to standard error; see [output](output.md) for JSON and\n"
        "[exit codes](exit-codes.md). A command finds its project by the closest `kilter.yaml` above the current\n"
        "directory, or above the one given with `-C`."
    )
    return page("Commands", "user", intro, *sections)


def help_sections(ctx: click.Context) -> Iterator[str]:
    """Yield a command's section, and those of the commands below it."""
    yield help_section(ctx)
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            below = ctx.command.get_command(ctx, name)
            assert below is not None, name
            yield from help_sections(click.Context(below, parent=ctx, info_name=name))


def help_section(ctx: click.Context) -> str:
    """Return one command's section."""
    return f"## {ctx.command_path}\n\n```text\n{ctx.get_help()}\n```"


# kilter.yaml


def project_file_page(schema: Mapping[str, Any]) -> str:
    """Return the table of every key, one section per map, those without use in this release last."""
    sections = list(maps(schema))
    intro = (
        f"One YAML map in the project's root. The same as a schema, for editors: [{SCHEMA_FILE}]({SCHEMA_FILE}).\n"
        "Every key is optional unless it says *required*. Unknown and duplicate keys are errors, and so are plain\n"
        'values that YAML readers understand differently (`version: 1.10`, `yes`): write text in quotes (`"1.10"`).\n'
        "Keys that begin with `x-` at the top level are free, as a place for anchors."
    )
    unused = (
        "What is marked ° is read and checked, and has no effect on the local cluster. Most of it is for the shared\n"
        "platform: [Deploy](../how-to/deploy.md) says what of that is not in this release. Of the rest, `kilter up`\n"
        "**refuses** what it would otherwise silently do in another way, unless the value is what happens anyway, and\n"
        "names what does no harm:"
    )
    words = {True: "refused", False: "named in a notice"}
    rows = [(f"`{key.path}`", words[key.refused], key.fact, _values(key.satisfied)) for key in UNUSED]
    local = table(("Key", "With `kilter up`", "Because", "Fine is"), rows)
    used = [text for path, text in sections if not is_unused(path)]
    later = [text for path, text in sections if is_unused(path)]
    return page(
        "kilter.yaml", "user", intro, unused, local, *used, "The maps from here on are marked ° as a whole.", *later
    )


def _values(values: Sequence[object]) -> str:
    return ", ".join(f"`{json.dumps(value) if not isinstance(value, str) else value}`" for value in values) or "none"


def maps(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and the section of every map, each once, from the top level downwards."""
    places = find_places(schema)
    for title, paths in places.items():
        found = schema["$defs"][title]
        path, *others = paths
        rows = [key_row(path, key, entry, found, places) for key, entry in found["properties"].items()]
        also = f" The same map stands at {', '.join(f'`{each}`' for each in others)}." if others else ""
        heading = f"`{path}`" if path else "The top level"
        text = f"## {heading}\n\n{found['description']}{also}\n\n{table(('Key', 'Type', 'Default', 'Meaning'), rows)}"
        yield path, text


def find_places(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return where each map stands, as paths such as `services.<name>`; each map is entered once."""
    root = schema["$ref"].rpartition("/")[2]
    places, queue = {root: [""]}, [root]
    while queue:
        title = queue.pop(0)
        for key, entry in schema["$defs"][title]["properties"].items():
            path = joined(places[title][0], key)
            for child, suffix in references(entry, PLACEHOLDERS.get(path, "<name>")):
                if child not in places:
                    queue.append(child)
                places.setdefault(child, []).append(path + suffix)
    return places


def references(entry: Mapping[str, Any], placeholder: str) -> Iterator[tuple[str, str]]:
    """Yield the maps that a key may hold, with what its path goes on by."""
    if "$ref" in entry:
        yield entry["$ref"].rpartition("/")[2], ""
    for option in entry.get("anyOf", ()):
        yield from references(option, placeholder)
    if isinstance(inner := entry.get("additionalProperties"), dict):
        yield from ((child, f".{placeholder}{suffix}") for child, suffix in references(inner, placeholder))
    if isinstance(inner := entry.get("items"), dict):
        yield from ((child, f"[]{suffix}") for child, suffix in references(inner, placeholder))


def key_row(
    path: str, key: str, entry: Mapping[str, Any], owner: Mapping[str, Any], places: Mapping[str, list[str]]
) -> tuple[str, ...]:
    """Return one line of a section's table."""
    mark = " °" if is_unused(joined(path, key)) and not is_unused(path) else ""
    default = "*required*" if key in owner.get("required", ()) else default_of(entry)
    return f"`{key}`{mark}", type_of(entry, places), default, entry.get("description", "")


def type_of(entry: Mapping[str, Any], places: Mapping[str, list[str]]) -> str:
    """Say in words which values a key takes; that it may be left empty goes without saying."""
    if "anyOf" in entry:
        options = [type_of(option, places) for option in entry["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(options))
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "$ref" in entry:
        path = places[entry["$ref"].rpartition("/")[2]][0]
        return f"map, see [`{path}`](#{anchor(path)})"
    if "minimum" in entry:
        return f"integer, {entry['minimum']} " + (f"to {entry['maximum']}" if "maximum" in entry else "or more")
    inner = entry.get("items") or entry.get("additionalProperties")
    words = {"string": "text", "array": "list", "object": "map"}.get(entry["type"], str(entry["type"]))
    return f"{words} of {plural(type_of(inner, places))}" if isinstance(inner, dict) else words


def plural(words: str) -> str:
    """Write a type as it is written behind `list of`."""
    return "maps" + words.removeprefix("map") if words.startswith("map,") else words


def anchor(heading: str) -> str:
    """Return a heading as the sites that show Markdown spell it in a link."""
    return "".join(char for char in heading.lower() if char.isalnum())


def default_of(entry: Mapping[str, Any]) -> str:
    """Write a default; None, an empty map and an empty list are all nothing to a reader."""
    value = entry.get("default")
    if value in (None, {}, []):
        return "none"
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def is_unused(path: str) -> bool:
    """Tell whether a key or one above it has no use in this release."""
    words = path.replace("[]", "").split(".")
    return any(".".join(words[:length]) in WITHOUT_EFFECT for length in range(1, len(words) + 1))


def joined(path: str, key: str) -> str:
    """Return the path of a key."""
    return f"{path}.{key}" if path else key


# JSON documents and the catalog


def document_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of the documents that say in `schema` that they are `kilter.<name>/v1`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"kilter.{name}/v1"}
    schema: dict[str, Any] = portable(msgspec.json.schema(DOCUMENTS[name]))
    return {**head, **schema}


def catalog_page() -> str:
    """Return every service that kilter can run, with its own page below its facts."""
    intro = (
        "The services that `services:` in [kilter.yaml](kilter-yaml.md) may name. How to change one of them:\n"
        "[override a service](../how-to/override-a-service.md)."
    )
    return page("Catalog", "user", intro, *(entry_section(entry) for entry in catalog.entries().values()))


def entry_section(entry: Entry) -> str:
    """Return the section of one service."""
    title, _, text = catalog.readme(entry.name).partition("\n")
    versions = [f"{version} (`{image}`)" for version, image in entry.versions.items()]
    facts = [
        ("Name", f"`{entry.name}`"),
        ("Version", f"{entry.version} by default; {', '.join(versions)}"),
        ("Port in the container", ", ".join(f"{port.container} ({port.name})" for port in entry.ports)),
        ("Variables", ", ".join(f"`{name}={template}`" for name, template in entry.variables.items())),
        ("Memory limit", entry.memory),
        ("Volume", entry.storage or "none"),
        ("On a shared cluster", deploy_words(entry)),
    ]
    return f"## {title.removeprefix('# ')}\n\n{entry.description}\n\n{table(('', ''), facts)}\n\n{text.strip()}"


def deploy_words(entry: Entry) -> str:
    """Say how a shared cluster provides a service."""
    if entry.deploy is None:
        return "not provided; run it elsewhere"
    if entry.deploy.by == "database":
        return "a database of its own on the platform's server"
    return f"the same chart, with {entry.deploy.memory} of memory" + (
        f" and a volume of {entry.deploy.storage}" if entry.deploy.storage else ""
    )


# The platform


def http_page() -> str:
    """Return every route with who may use it and what is answered, and every code of an error."""
    intro = (
        "What `kilter deploy` and the portal say to kilter-server; for machines the same as\n"
        "[OpenAPI 3.1](openapi.json), which the server gives at `/v1/openapi.json` too. Bodies are JSON;\n"
        "`Authorization: Bearer <token>`, never in the address. Unknown fields are refused with their path. What does\n"
        "not exist and what a token may not see have the same answer. `Idempotency-Key` (1 to 200\n"
        "printable characters) makes repeating a POST with a token safe for a day."
    )
    rows = [
        (
            f"`{route.method} {route.path}`",
            route.summary,
            route.role if route.auth == "token" else {"none": "anybody", "basic": "user and password"}[route.auth],
            ", ".join(str(status) for status in route.answers),
            ", ".join(f"`{code}`" for code in route.errors) or "-",
        )
        for route in ROUTES
    ]
    codes = [(f"`{code}`", str(status)) for code, status in STATUS_OF.items()]
    errors = (
        'An error is `{"error": {"code", "message", "field", "next", "details", "request_id"}}`; `field` is the\n'
        "path of the faulty field, `next` the command to run."
    )
    return page(
        "HTTP API",
        "dev, admin",
        intro,
        "## Routes\n\n" + table(("Route", "What", "Least role", "Answers", "Errors of its own"), rows),
        f"## Errors\n\n{errors}\n\n" + table(("Code", "Status"), codes),
    )


def kilterapp_page() -> str:
    """Return every field of the custom resource, from its CRD."""
    root = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    intro = (
        "The custom resource `kilterapps.kilter.dev/v1alpha1` (short `kapp`), all in the namespace `kilter-apps`:\n"
        "one object per environment of a project. Only kilter-server writes `spec`, only the operator writes `status`."
    )
    refused = ", ".join(f"`{field}`" for field, _, _ in NOT_YET)
    later = (
        "Not in this release: a spec that asks for one of these fails with the reason `NotYet`:\n"
        f"{refused}.\n"
        "`bootstrap`, `pinned` and `pruneSecrets` have no effect, and `lock`, `migration` and `seeds` of the status\n"
        "stay empty."
    )
    sections = [
        f"## {part}\n\n{root[part]['description']}\n\n"
        + table(("Field", "Type", "Default", "Meaning"), list(field_rows(part, root[part])))
        for part in ("spec", "status")
    ]
    rules = [f"- {rule['message']}: `{rule['rule']}`" for rule in crd_rules(root["spec"])]
    return page(
        "KilterApp", "dev, admin", intro, later, *sections, "## Rules that the API server keeps\n\n" + "\n".join(rules)
    )


def field_rows(path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield a line for each field of an object, those inside it behind it."""
    for name, field in node["properties"].items():
        default = "*required*" if name in node.get("required", ()) else default_of(field)
        kind = "/".join(f"`{word}`" for word in field["enum"]) if "enum" in field else kind_of(field)
        yield f"`{path}.{name}`", kind, default, field.get("description", "")
        inner = field.get("items") or field.get("additionalProperties") or field
        if "properties" in inner:
            suffix = "[]" if "items" in field else ".<name>" if "additionalProperties" in field else ""
            yield from field_rows(f"{path}.{name}{suffix}", inner)


def kind_of(field: Mapping[str, Any]) -> str:
    """Say in a word what a field of the CRD is."""
    return {"array": "list", "object": "map", "string": "text", "boolean": "true or false"}.get(
        field["type"], field["type"]
    )


def crd_rules(spec: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """Yield the rules of the spec and of its fields."""
    yield from spec["x-kubernetes-validations"]
    for field in spec["properties"].values():
        yield from field.get("x-kubernetes-validations", ())


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that are stale."""
    if arguments == ["--check"]:
        names = stale()
        for name in names:
            print(f"docs/reference/{name} is stale: run `make docs`", file=sys.stderr)
        return 1 if names else 0
    for name in write():
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
