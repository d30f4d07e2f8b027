"""Settings of the server, its log, and its entry."""

import asyncio
import json
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from kilter.api import tokens as token_format
from kilter.errors import BadInput
from kilter.server import __main__ as entry
from kilter.server import logs, settings
from kilter.server.settings import READERS, Settings
from kilter.signing import keys

DOMAIN = {"KILTER_SERVER_CLUSTER_DOMAIN": "apps.example.com"}


def faults(**environment: str) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        settings.read({f"KILTER_SERVER_{name}": value for name, value in environment.items()})
    return caught.value.details


def test_only_the_domain_must_be_set() -> None:
    found = settings.read({**DOMAIN, "PATH": "/bin"})
    assert found == Settings(cluster_domain="apps.example.com")
    assert found.url == "https://kilter.apps.example.com"


def test_all_faults_are_told_at_once() -> None:
    found = "\n".join(faults(PORT="many", SECRET="x", READY_TIMEOUT_MAX="soon", STORE_DSN_FILE="/nowhere"))
    for words in ("PORT", "KILTER_SERVER_SECRET is no setting", "READY_TIMEOUT_MAX", "/nowhere", "CLUSTER_DOMAIN"):
        assert words in found


def test_lists_and_durations_are_read() -> None:
    text = {"PLATFORMS": "linux/amd64, linux/arm64", "READY_TIMEOUT_MAX": "1h30m"}
    found = settings.read(DOMAIN | {f"KILTER_SERVER_{name}": value for name, value in text.items()})
    assert found.platforms == ("linux/amd64", "linux/arm64")
    assert found.ready_timeout_max == 5400


def test_secrets_come_from_files_and_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://kilter:canary@db/kilter\n")
    found = settings.read({**DOMAIN, "KILTER_SERVER_STORE_DSN_FILE": str(file)})
    assert found.secrets == {"store_dsn_file": "postgresql://kilter:canary@db/kilter"}
    assert "canary" not in repr(found)


def test_a_file_that_cannot_be_read_is_a_fault_with_its_reason(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    found = faults(STORE_DSN_FILE="/nowhere", FIRST_TOKEN_FILE=str(binary))
    assert "KILTER_SERVER_STORE_DSN_FILE: /nowhere cannot be read: No such file or directory" in found
    assert f"KILTER_SERVER_FIRST_TOKEN_FILE: {binary} cannot be read: it is no text" in found


@pytest.mark.parametrize("text", ["registry:5000", "ftp://registry:5000", "//registry"])
def test_where_the_registry_is_reached_is_an_address_of_the_web(text: str) -> None:
    assert any("KILTER_SERVER_REGISTRY_URL" in line and text in line for line in faults(REGISTRY_URL=text))
    for scheme in ("http", "https"):
        given = {**DOMAIN, "KILTER_SERVER_REGISTRY_URL": f"{scheme}://registry:5000/"}
        assert settings.read(given).registry_url == f"{scheme}://registry:5000"


def test_an_empty_secret_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    assert any("is empty" in line for line in faults(FIRST_TOKEN_FILE=str(tmp_path / "empty")))


def test_every_setting_can_be_set() -> None:
    assert set(READERS) == set(Settings.__dataclass_fields__) - {"secrets"}


def test_a_public_port_is_part_of_the_servers_own_address_unless_that_is_given() -> None:
    given = {**DOMAIN, "KILTER_SERVER_SCHEME": "http", "KILTER_SERVER_PUBLIC_PORT": "30080"}
    domain = given["KILTER_SERVER_CLUSTER_DOMAIN"]
    assert settings.read(given).url == f"http://kilter.{domain}:30080"
    assert settings.read({**given, "KILTER_SERVER_PUBLIC_URL": "http://k:1/"}).url == "http://k:1"


def test_the_platforms_own_hosts_are_those_of_its_addresses_and_the_further_ones() -> None:
    given = {
        **DOMAIN,
        "KILTER_SERVER_REGISTRY": "Registry.example.com:5000/images",
        "KILTER_SERVER_EXTRA_HOSTS": "a.x,b.x",
    }
    assert settings.read({**given, "KILTER_SERVER_PUBLIC_URL": "http://k.x:1/"}).hosts == {
        *("kilter.apps.example.com", "k.x", "registry.example.com", "a.x", "b.x")
    }


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/environment-variables.md").read_text()
    assert {name for name in READERS if f"`KILTER_SERVER_{name.upper()}`" not in page} == set()


def test_a_log_line_is_one_object_whatever_the_text() -> None:
    """S24."""
    record = logging.LogRecord("kilter.server", logging.INFO, "", 0, 'a\r\n{"level": "error"}', (), None)
    record.facts = {"path": "/v1/\n"}
    text = logs.JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text)["path"] == "/v1/\n"


def test_a_failure_carries_its_traceback_into_the_log_only() -> None:
    try:
        raise LookupError("why")
    except LookupError as error:
        record = logging.LogRecord("kilter.server", logging.ERROR, "", 0, "failed", (), (LookupError, error, None))
    assert "LookupError: why" in json.loads(logs.JsonLines().format(record))["traceback"]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda: None)


@pytest.mark.usefixtures("quiet")
def test_a_server_that_cannot_start_says_why_and_ends_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    assert entry.main([]) == 2
    [record] = caplog.records
    assert any("CLUSTER_DOMAIN" in line for line in record.facts["details"])  # type: ignore[attr-defined]
    assert entry.main(["--help"]) == 2


@pytest.mark.usefixtures("quiet")
def test_the_server_runs_on_the_loop_that_it_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uvicorn chooses one only where it starts the loop itself."""
    used = list[asyncio.AbstractEventLoop]()

    async def serve(_: Settings) -> None:
        used.append(asyncio.get_running_loop())

    monkeypatch.setattr(entry, "serve", serve)
    monkeypatch.setenv("KILTER_SERVER_CLUSTER_DOMAIN", "x.example.com")
    assert entry.main([]) == 0
    assert [type(loop) for loop in used] == [uvloop.Loop]


@pytest.mark.usefixtures("quiet")
def test_a_first_token_of_another_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S21: no default credential, and none that is easily guessed."""
    (tmp_path / "token").write_text("admin")
    monkeypatch.setenv("KILTER_SERVER_CLUSTER_DOMAIN", "x.example.com")
    monkeypatch.setenv("KILTER_SERVER_STORE", str(tmp_path / "store.db"))
    monkeypatch.setenv("KILTER_SERVER_FIRST_TOKEN_FILE", str(tmp_path / "token"))
    assert entry.main([]) == 2
    assert "no token of kilter's format" in str(caplog.records[-1].__dict__)
    (tmp_path / "token").write_text(token_format.mint().text)
    assert entry.main([]) == 2
    assert "finds no cluster" in str(caplog.records[-1].__dict__)


@pytest.mark.usefixtures("quiet")
def test_a_key_of_the_registry_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    assert entry.main(["registry-key", str(tmp_path / "keys")]) == 0
    file = tmp_path / "keys/key.pem"
    before = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [key] = json.loads((tmp_path / "keys/jwks.json").read_text())["keys"]
    assert (key["kty"], key["alg"]) == ("EC", "ES256")
    assert "d" not in key
    assert entry.main(["registry-key", str(tmp_path / "keys")]) == 2
    assert file.read_text() == before


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.usefixtures("quiet")
@pytest.mark.requirement("G2", "LC-Q22")
def test_a_key_whose_making_was_killed_before_what_trusts_it_gets_that(tmp_path: Path) -> None:
    assert entry.main(["registry-key", str(tmp_path / "keys")]) == 0
    pem, trusted = tmp_path / "keys/key.pem", tmp_path / "keys/jwks.json"
    before = pem.read_text(), trusted.read_text()
    trusted.unlink()
    assert entry.main(["registry-key", str(tmp_path / "keys")]) == 0
    assert (pem.read_text(), trusted.read_text()) == before


@pytest.mark.usefixtures("quiet")
@pytest.mark.requirement("G2", "LC-Q22")
@pytest.mark.parametrize("call", range(12))
def test_the_making_of_a_key_may_be_killed_anywhere_and_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Each call that changes the disk is the last one in its turn."""
    left = iter(range(call))

    def until_killed(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*words: Any, **more: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return real(*words, **more)

        return act

    folder = tmp_path / "keys"
    with monkeypatch.context() as patched:
        for name in ("open", "fsync", "link", "replace", "rename"):
            patched.setattr(os, name, until_killed(getattr(os, name)))
        with suppress(Killed):
            entry.main(["registry-key", str(folder)])
    known = (folder / "key.pem").read_text() if (folder / "key.pem").exists() else ""
    made = (folder / "jwks.json").exists()
    assert entry.main(["registry-key", str(folder)]) == (2 if made else 0)
    pem = (folder / "key.pem").read_text()
    assert known in ("", pem)
    assert json.loads((folder / "jwks.json").read_text()) == keys.jwks(keys.read(pem))
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "jwks.json").stat().st_mode) == 0o644
