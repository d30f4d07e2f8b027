"""What is shown of a failing container's log holds no secret of the app's."""

import httpx2
import pytest

from kilter.operator.kube import Kube
from kilter.operator.tail import COVER, LINES, clean

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n  nTk1b2l1c2Vy\nab==\n-----END PRIVATE KEY-----\n"


@pytest.mark.requirement("G5")
def test_a_key_of_many_lines_is_covered_though_the_log_begins_in_its_middle() -> None:
    cut = KEY.splitlines()[1:]
    shown = clean("\n".join([*cut, "cannot read the key"]), [KEY])
    assert [line.strip() for line in shown] == [COVER, COVER, "ab==", COVER, "cannot read the key"]


@pytest.mark.requirement("G5")
def test_a_line_of_a_key_is_covered_however_it_is_printed() -> None:
    written = KEY.replace("\n", "\\n")
    assert "MIIEvQ" not in "".join(clean(f"key={written}", [KEY]))
    assert "nTk1b2" not in "".join(clean("  at load (nTk1b2l1c2Vy)", [KEY.replace("\n", "\r\n")]))


@pytest.mark.requirement("G5")
def test_values_of_one_line_are_covered_as_a_whole_and_short_ones_left() -> None:
    assert clean("login ada hunter22 yes", ["hunter22", "yes", "hunter"]) == (f"login ada {COVER} yes",)
    assert len(clean("x\n" * 100, [])) == LINES


@pytest.mark.requirement("DP-Q45")
def test_after_a_line_that_is_as_long_as_lines_get_the_newest_are_read_too() -> None:
    """Node.js prints the line of the bundle before the error; a kubelet leaves out what comes after so many bytes."""
    pieces = ["x" * 16 * 1024] * (LINES - 1)  # as containerd writes it

    def kubelet(request: httpx2.Request) -> httpx2.Response:
        asked = request.url.params
        text = "\n".join([*pieces, "Error: STRIPE_KEY is not set"][-int(asked["tailLines"]) :])
        return httpx2.Response(200, content=text.encode()[: int(asked["limitBytes"])])

    kube = Kube(httpx2.Client(base_url="http://api.test", transport=httpx2.MockTransport(kubelet)))
    text = kube.log("acme-shop-prod", "shop-1", "shop", previous=True, lines=LINES)
    assert clean(text, [])[-1] == "Error: STRIPE_KEY is not set"
