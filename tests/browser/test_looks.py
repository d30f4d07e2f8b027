"""How the pages look: screenshots are kept, and nothing is wider than a phone."""

import pytest
from browser.conftest import Tabs
from browser.live import Live

PAGES = {
    "tiles": "/",
    "project": "/projects/acme/shop",
    "environment": "/projects/acme/shop/envs/prod",
    "environment-failed": "/projects/acme/blog/envs/prod",
    "deploy": "/deploys/{shop}",
    "deploy-failed": "/deploys/{blog}",
    "delete": "/projects/acme/shop/envs/prod/delete",
    "logs": "/projects/acme/shop/envs/dev/logs",
    "audit": "/audit",
    "account": "/account",
    "device": "/device?code=BCDF-GHJK",
    "missing": "/projects/acme/none",
    "nothing-found": "/?q=zzz",
}


@pytest.mark.parametrize("way", ["light", "dark", "phone"])
def test_every_page_fits_and_complains_about_nothing(
    tabs: Tabs, live: Live, furnished: dict[str, str], way: str
) -> None:
    live.cluster.lines = [f"shop-7c9-{number % 2} GET /cart/{number} 200 in {number % 40} ms" for number in range(60)]
    token = live.token("admin", actor="carol")
    live.api("DELETE", "/v1/whoami", live.token("viewer", actor="dave"))
    tab = tabs(token, phone=way == "phone", dark=way == "dark")
    for name, path in PAGES.items():
        tab.goto(path.format(**furnished))
        tab.page.wait_for_load_state("load")
        wide = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"{name} is {wide[0]} wide"
        tab.shoot(f"{name}-{way}")


def test_pages_before_signing_in_and_before_the_first_deploy(tabs: Tabs, live: Live) -> None:
    tab = tabs()
    tab.goto("/")
    tab.shoot("sign-in-light")
    tab = tabs(live.token("deployer", "acme/*", actor="ann"))
    tab.goto("/")
    tab.shoot("tiles-empty-light")
