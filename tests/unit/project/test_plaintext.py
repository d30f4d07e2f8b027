"""Secrets in plain text are warned of at their place, and never shown."""

import time

import pytest

from kilter.project.load import validate
from kilter.project.plaintext import ADVICE, plaintext
from kilter.project.source import read


def warned(text: str) -> list[str]:
    """The warnings for a text, as lines."""
    return [
        str(fault) for fault in plaintext(validate(text.encode(), "kilter.yaml", "shop"), read(text, "kilter.yaml"))
    ]


@pytest.mark.requirement("Y14")
def test_a_secret_is_named_by_file_line_column_and_key_wherever_variables_stand() -> None:
    text = """\
components:
  web: {env: {API_KEY: hunter2-component, LEVEL: debug}}
processes:
  worker: {command: [run], env: {SMTP_PASSWORD: "hunter2-process"}}
services:
  postgres:
    env:
      POSTGRES_PASSWORD: hunter2-service
environments:
  pr-*:
    env: {JWT_SECRET: hunter2-environment}
    processes: {worker: {env: {SMTP_PASSWORD: hunter2-override}}}
"""
    assert warned(text) == [
        f"kilter.yaml:2:24 components.web.env.API_KEY: {ADVICE}",
        f"kilter.yaml:4:49 processes.worker.env.SMTP_PASSWORD: {ADVICE}",
        f"kilter.yaml:8:26 services.postgres.env.POSTGRES_PASSWORD: {ADVICE}",
        f"kilter.yaml:11:23 environments.pr-*.env.JWT_SECRET: {ADVICE}",
        f"kilter.yaml:12:47 environments.pr-*.processes.worker.env.SMTP_PASSWORD: {ADVICE}",
    ]
    assert "hunter2" not in "".join(warned(text))


@pytest.mark.requirement("Y14")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSWORD", "x"),
        ("db_password", "1234"),
        ("dbPassword", "x"),
        ("AWS_SECRET_ACCESS_KEY", "abc/def"),
        ("SECRET_KEY_BASE", "0f0f"),
        ("STRIPE_APIKEY", "x"),
        ("ADMIN_PASS", "x"),
        ("GITHUB_TOKEN", "x"),
        ("DATABASE_URL", "postgresql://me:hunter2@db.example.com/shop"),
        ("CACHE", "redis://:hunter2@cache:6379/0"),
        ("KEY", "-----BEGIN RSA PRIVATE KEY-----\\nMII"),
        ("X", "ghp_0123456789abcdefghij"),
        ("X", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_what_looks_like_a_secret_is_warned_of(name: str, value: str) -> None:
    assert len(warned(f'env: {{{name}: "{value}"}}')) == 1


@pytest.mark.requirement("Y14")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSWORD", ""),
        ("PASSWORD_MIN_LENGTH", "12"),
        ("REQUIRE_PASSWORD", "true"),
        ("DB_PASSWORD", "/run/secrets/db"),
        ("DB_PASSWORD", "${DB_PASSWORD}"),
        ("PASSWORD_FILE", "/run/secrets/db"),
        ("TOKEN", "https://login.example.com/token"),
        ("SECRET_NAME", "shop"),
        ("COMPASS", "north"),
        ("OLDPWD", "here"),
        ("AWS_ACCESS_KEY_ID", "abc"),
        ("DATABASE_URL", "postgresql://db.example.com:5432/shop"),
        ("LEVEL", "debug"),
        ("GREETING", "eyJust a text"),
    ],
)
def test_what_only_sounds_like_a_secret_is_left_in_peace(name: str, value: str) -> None:
    assert warned(f'env: {{{name}: "{value}"}}') == []


def test_a_withheld_variable_holds_no_secret() -> None:
    assert warned("env: {PASSWORD: null}") == []


@pytest.mark.requirement("Y6")
@pytest.mark.parametrize("part", ["a", "eyJ-", "://a:b", "-----BEGIN ", "ghp_", "/a"])
def test_long_values_are_judged_quickly(part: str) -> None:
    values = "".join(f"  TOKEN_{number}: '{part * (60_000 // len(part))}'\n" for number in range(12))
    began = time.process_time()
    warned(f"env:\n{values}")
    assert time.process_time() - began < 2.0
