"""`kilter init`: the first kilter.yaml of a directory."""

from pathlib import Path

from kilter.errors import BadInput
from kilter.project.load import FILE_NAME
from kilter.project.project import has_dockerfile
from kilter.state.files import write_whole
from kilter.words import is_name, valid_spelling

TEMPLATE = """\
# What kilter runs for this repository.
name: "{name}"

# Backing services, one line each; `kilter env` prints their addresses.
services:
  # postgres:
  # redis:
{app}"""

WITH_DOCKERFILE = """
# The Dockerfile here is built and run; say `port:` when it has no EXPOSE.
"""

WITHOUT_DOCKERFILE = """
# Without a Dockerfile, kilter runs the services alone.
"""


def init(directory: Path, name: str | None, *, dry_run: bool) -> str:
    """Write kilter.yaml, or return its text with `dry_run`; raises BadInput when there is one, or for a bad name."""
    file = directory / FILE_NAME
    if file.is_symlink() and not file.exists() and not dry_run:
        raise BadInput(f"{file} is a link to {file.readlink()}, which is not there", hint="remove the link, or mend it")
    if file.exists() and not dry_run:
        raise BadInput(f"{file} exists already", hint="edit it; `kilter init --dry-run` prints a fresh one")
    chosen = name or valid_spelling(directory.resolve().name)
    if not is_name(chosen):
        raise BadInput(f"{chosen!r} cannot name a project", hint=f"write it as {valid_spelling(chosen)!r}")
    app = WITH_DOCKERFILE if has_dockerfile(directory) else WITHOUT_DOCKERFILE
    text = TEMPLATE.format(name=chosen, app=app)
    if dry_run:
        return text
    write_whole(file, text, mode=0o644)
    return f"wrote {file}\nnext: name the services you need in it, then run `kilter up`"
