"""Which project of the platform a command is about: flag, environment, kilter.yaml, in this order (DP-Q3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kilter.api.base import NAME_PATTERN
from kilter.errors import BadInput

PARTS = {"org": 40, "app": 40, "env": 32}


@dataclass(frozen=True)
class ProjectName:
    """`<org>/<app>`."""

    org: str
    app: str

    def __str__(self) -> str:
        return f"{self.org}/{self.app}"

    @property
    def path(self) -> str:
        """Where the server has the project."""
        return f"/v1/projects/{self.org}/{self.app}"

    def options(self, env: str) -> str:
        """The options that name one of its environments to a command."""
        return f"--project {self} --env {env}"

    def env_path(self, env: str) -> str:
        """Where the server has one of its environments; raises BadInput for a name that none can have."""
        return f"{self.path}/envs/{checked('env', env)}"


def project_name(flag: str, environment: Mapping[str, str], written: str | None) -> ProjectName:
    """Return the project. Raises BadInput when nobody says which, or the name has a wrong form (DP-Q37)."""
    text = flag or environment.get("KILTER_PROJECT", "") or written or ""
    if not text:
        raise BadInput(
            "which project of the platform is this?",
            hint="write `app: <org>/<app>` in kilter.yaml, or give `--project <org>/<app>`",
        )
    org, slash, app = text.partition("/")
    if not slash or "/" in app:
        raise BadInput(f"{text!r} names no project", hint="write it as <org>/<app>")
    return ProjectName(checked("org", org), checked("app", app))


def checked(part: str, text: str) -> str:
    """Return the name if it fits the platform's grammar. Raises BadInput naming the character at fault."""
    if len(text) > PARTS[part]:
        raise BadInput(f"the {part} {text!r} has more than {PARTS[part]} characters")
    if not re.match(NAME_PATTERN, text):
        wrong = next((char for char in text if not re.match(r"[a-z0-9-]", char)), "")
        why = f"{wrong!r} is not allowed" if wrong else "it begins or ends wrongly, or has `--`"
        raise BadInput(f"{text!r} is no name of an {part}", why=why, hint="use a-z, 0-9 and single dashes")
    return text


def check_text(what: str, text: str) -> None:
    """Raise BadInput for bytes that are no text: the command line passes them on, and no request can carry them."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        why = f"its character {error.start + 1} is not UTF-8"
        raise BadInput(f"{what} is no text", why=why, hint="write it in UTF-8, or leave it out") from None
