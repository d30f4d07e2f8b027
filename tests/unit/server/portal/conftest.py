"""A browser without a browser: cookies, forms, and no script."""

import re
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest
from unit.server.web import DEPLOY, Reply, Web

COOKIE = "__Host-kilter"
FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@dataclass
class Browser:
    """Keeps cookies, and sends forms with the word that the last page held."""

    web: Web
    cookies: dict[str, str]
    word: str = ""

    def get(self, path: str, **headers: str) -> Reply:
        return self._noted(self.web.get(path, headers=self._headers({"accept": "text/html", **headers})))

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Reply:
        content = [urlencode({"form_word": self.word, **(fields or {})}).encode()]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"accept": "text/html", "content-length": str(len(content[0])), **FORM, **named}
        return self._noted(self.web("POST", path, content=content, headers=self._headers(given)))

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {name.replace("_", "-"): value for name, value in given.items()} | {"cookie": cookies}

    def _noted(self, reply: Reply) -> Reply:
        for name, morsel in SimpleCookie(reply.headers.get("set-cookie", "")).items():
            self.cookies[name] = morsel.value
        if found := re.search(r'name="form_word" value="(\w+)"', reply.text):
            self.word = found[1]
        return reply


def signed_in(web: Web, token: str) -> Browser:
    browser = Browser(web, {})
    browser.get("/sign-in")
    reply = browser.post("/sign-in", {"token": token, "next": "/"})
    assert reply.status == 303, reply.text
    browser.get("/account")
    return browser


@pytest.fixture(scope="module")
def portal(shared_web: Web) -> Web:
    """One application with two organisations, for tests that change nothing."""
    everywhere = shared_web.token("admin", "*/*")
    for org, app in (("acme", "shop"), ("globex", "blog")):
        body = {**DEPLOY, "image": DEPLOY["image"].replace("acme/shop", f"{org}/{app}")}
        assert shared_web.post(f"/v1/projects/{org}/{app}/envs/dev/deploys", everywhere, body).status == 202
    return shared_web
