"""Names that follow from (org, app, env): the object, its namespace, its host."""

import hashlib

LABEL_LIMIT = 63  # of a DNS label
PRODUCTION = "prod"  # the environment with the bare host name


def plain_name(org: str, app: str, env: str) -> str:
    """Return the name of KilterApp and namespace, as long as it is short enough and nobody else has it (DP-Q33)."""
    return f"{org}-{app}-{env}"


def hashed_name(org: str, app: str, env: str) -> str:
    """Return the name for a triple whose plain name is too long, or held by another triple (DP-Q33)."""
    return _shortened(plain_name(org, app, env), f"{org}/{app}/{env}")


def possible_names(org: str, app: str, env: str) -> tuple[str, ...]:
    """Return the names that an object of this triple may have, the preferred one first; any other is not its own."""
    plain, hashed = plain_name(org, app, env), hashed_name(org, app, env)
    return (plain, hashed) if len(plain) <= LABEL_LIMIT else (hashed,)


def host(app: str, env: str, domain: str) -> str:
    """Return the public host: the bare app's for `prod`, one label with the environment for others (DP-Q32)."""
    return f"{host_label(app, env)}.{domain}"


def host_label(app: str, env: str) -> str:
    """Return the first label of the public host."""
    label = app if env == PRODUCTION else f"{app}-{env}"
    return label if len(label) <= LABEL_LIMIT else _shortened(label, f"{app}/{env}")


def process_host(app: str, env: str, process: str, domain: str) -> str:
    """Return the host of a public process; `--` stands in no name, so no app can have it (DP-Q59)."""
    label = f"{host_label(app, env)}--{process}"
    label = label if len(label) <= LABEL_LIMIT else _shortened(label, f"{app}/{env}/{process}")
    return f"{label}.{domain}"


def _shortened(text: str, identity: str) -> str:
    """Cut to a DNS label that ends with 8 hex digits of the identity's SHA-256."""
    return f"{text[: LABEL_LIMIT - 9].rstrip('-')}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
