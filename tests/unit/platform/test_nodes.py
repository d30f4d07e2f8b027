"""What images are built for is what the cluster's nodes are."""

from typing import Any

from kilter.platform import values
from kilter.platform.nodes import of_nodes
from kilter.platform.values import Wanted


def node(architecture: str, system: str = "linux") -> dict[str, Any]:
    return {"status": {"nodeInfo": {"architecture": architecture, "operatingSystem": system}}}


def test_the_platforms_are_those_of_the_linux_nodes_the_most_common_first() -> None:
    """DP-Q5."""
    nodes = [node("arm64"), node("amd64"), node("amd64"), node("386", "windows"), {"status": {}}]
    assert of_nodes(nodes) == ("linux/amd64", "linux/arm64")
    assert of_nodes([node("arm64")]) == ("linux/arm64",)


def test_the_server_is_told_what_the_nodes_are_unless_the_administrator_said() -> None:
    """DP-Q5."""
    wanted = Wanted("localhost", "x/y:1", platforms=("linux/arm64",))
    for found in (values.of_cluster(wanted), values.of_trial(wanted, 30800)):
        assert found["server"]["platforms"] == ["linux/arm64"]
    chosen = Wanted("localhost", "x/y:1", "server: {platforms: [linux/amd64]}", ("linux/arm64",))
    assert values.of_trial(chosen, 30800)["server"]["platforms"] == ["linux/amd64"]
    assert "platforms" not in values.of_cluster(Wanted("localhost", "x/y:1"))["server"]
