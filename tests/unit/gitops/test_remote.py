"""How git gets in: no credential in an address, one protocol allowed, the token for one address alone."""

import base64
from pathlib import Path

import pytest

from kilter.errors import BadInput, MachineLacks
from kilter.gitops.remote import Remote
from kilter.proc import Secret


@pytest.mark.requirement("S15")
@pytest.mark.parametrize(
    "url",
    [
        "", "ext::sh -c id", "ext://x", "git://host/x", "host:path", "/srv/git", "--upload-pack=id", "ftp://host/x",
        "ssh://-oProxyCommand=id/x", "ssh://-x@host/y", "ssh://u:p@host/x", "https://user:pass@host/x",
        "https://token@host/x", "https://host/x\n", "https://a b/", "HTTPS//x",
    ],
)  # fmt: skip
def test_an_address_that_git_must_not_be_given_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        Remote(url)
    assert "pass" not in f"{caught.value.what} {caught.value.why}".replace("password", "")


@pytest.mark.parametrize(
    "url", ["https://host/x.git", "http://git.flux.svc:8080/flux.git", "ssh://git@host:22/x", "file:///srv/x"]
)
def test_one_protocol_is_allowed(url: str) -> None:
    settings = Remote(url).settings()
    scheme = url.partition(":")[0]
    assert [key for key in settings if key.startswith("protocol.")] == [f"protocol.{scheme}.allow"]
    assert settings["remote.kilter.url"] == url
    assert settings["remote.kilter.fetch"] == "refs/heads/main:refs/kilter/head"


@pytest.mark.requirement("C16")
def test_the_token_is_read_at_each_use_and_given_for_this_address_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    remote = Remote("https://host/x.git", username="bot", token=file)
    for word in ("first", "second"):
        file.write_text(f"{word}\n")
        header = remote.settings()["http.https://host/x.git.extraHeader"]
        assert header == Secret("Authorization: Basic " + base64.b64encode(f"bot:{word}".encode()).decode())
        assert word not in repr(remote.settings())


def test_a_token_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="cannot read the Git token"):
        Remote("https://host/x", token=tmp_path / "none").settings()


def test_ssh_asks_nothing_and_trusts_only_the_named_servers(tmp_path: Path) -> None:
    settings = Remote("ssh://git@host/x", key=tmp_path / "it's key", known_hosts=Path("/known")).settings()
    assert settings["core.sshCommand"] == (
        "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes "
        f"-i '{tmp_path}/it'\"'\"'s key' -o UserKnownHostsFile=/known"
    )


def test_an_authority_is_trusted_for_this_address_alone_from_when_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    remote = Remote("https://host/x.git", ca=file)
    assert not [key for key in remote.settings() if "ssl" in key]
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    assert remote.settings()["http.https://host/x.git.sslCAInfo"] == str(file)
