"""A Git host whose certificate an authority of one's own has signed: the operator goes by the one that it is given."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.certificates import Certificates, certified
from harness.gitserver import serving
from harness.repository import Repository, git

from kilter.errors import KilterError
from kilter.gitops.flux import Flux
from kilter.gitops.model import Fence
from kilter.operator.effects import Change
from kilter.operator.repository import Repository as Opening
from kilter.operator.settings import from_environment
from kilter.proc import SubprocessRunner

FENCE = Fence(1, "me")
CHANGE = Change("acme", "shop", "prod", "acme-shop-prod", {"a.yaml": "a: 1\n"}, {}, "d-1", "mia", 7, "image")


@pytest.fixture
def trusted(tmp_path: Path) -> Certificates:
    return certified(tmp_path, "127.0.0.1")


@pytest.fixture
def address(repository: Repository, trusted: Certificates) -> Iterator[str]:
    with serving(repository.path.parent, "127.0.0.1", "flux-bot:canary", trusted) as port:
        yield f"https://127.0.0.1:{port}/{repository.path.name}"


def opening(folder: Path, address: str, authority: Path) -> Opening:
    """The operator as its pod has it: files of one Secret, one of which need not be there."""
    (folder / "username").write_text("flux-bot")
    (folder / "token").write_text("canary")
    names = {"KILTER_GIT_USERNAME_FILE": folder / "username", "KILTER_GIT_TOKEN_FILE": folder / "token"}
    names |= {"KILTER_GIT_CA_FILE": authority, "KILTER_GIT_FOLDER": folder / "clone"}
    told = from_environment({"KILTER_GIT_URL": address} | {name: str(file) for name, file in names.items()})
    return Opening(SubprocessRunner(), told.git, Flux())


def test_a_release_is_published_to_a_host_that_only_this_authority_vouches_for(
    tmp_path: Path, address: str, trusted: Certificates, repository: Repository
) -> None:
    publisher = opening(tmp_path, address, trusted.authority)(FENCE, anew=True)
    try:
        commit = publisher.submit(CHANGE).result(30).commit
    finally:
        publisher.close()
    assert repository.commits()[0] == commit
    assert repository.files()["apps/acme/shop/prod/a.yaml"] == "a: 1\n"


def test_what_the_environment_says_of_authorities_is_not_asked(
    tmp_path: Path, address: str, trusted: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git would take it for more than its configuration."""
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "true")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(trusted.authority))
    with pytest.raises(KilterError):
        opening(tmp_path, address, tmp_path / "none")(FENCE, anew=True)


@pytest.mark.parametrize("named", ["none", "another"])
def test_without_it_nothing_is_said_to_the_host_and_the_reason_is_told(
    tmp_path: Path, address: str, named: str, repository: Repository
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    authority = certified(other, "127.0.0.1").authority if named == "another" else other / "ca.crt"
    with pytest.raises(KilterError) as caught:
        opening(tmp_path, address, authority)(FENCE, anew=True)
    said = " ".join((caught.value.what, caught.value.why, *caught.value.details))
    assert "certificate" in said.lower()
    assert "canary" not in said
    assert git("for-each-ref", cwd=repository.path) == ""
