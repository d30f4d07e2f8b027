"""Addresses that nobody can ask: said before any connection is made."""

import pytest

from kilter.errors import BadInput
from kilter.tools.web import open_url

TOOL = "https://dl.example.com/kind"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def refused(url: str) -> BadInput:
    with pytest.raises(BadInput) as caught, open_url(url, 0, 1.0):
        pass
    return caught.value


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("proxy", ["http://proxy:abc", "http://user:secret@proxy:abc/", "proxy:abc"])
def test_a_proxy_that_is_no_address_is_named(name: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy)
    error = refused(TOOL)
    assert error.what == "the proxy proxy:abc is no address"
    assert "HTTPS_PROXY" in error.hint


@pytest.mark.parametrize(
    "url", ["https://mirror/my tools/kind", "https://mirror:abc/kind", "https://mirror/tööls/kind", "https://[::1/kind"]
)
def test_a_mirror_that_is_no_address_is_named(url: str) -> None:
    error = refused(url)
    assert error.what == f"{url} is no address"
    assert "KILTER_TOOLS_MIRROR" in error.hint


@pytest.mark.requirement("C16")
@pytest.mark.parametrize("login", ["me:s3cr3t", "me:s3/cr3t", "s3cr3t"])
def test_the_login_of_a_mirror_that_is_no_address_is_not_shown(login: str) -> None:
    error = refused(f"https://{login}@mirror:abc/kind")
    assert error.what in ("https://mirror:abc/kind is no address", "https://***@mirror:abc/kind is no address")
    assert "s3" not in error.why
