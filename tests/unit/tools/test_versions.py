import pytest

from kilter.tools.versions import HELM, KIND, KUBECTL, NODE_IMAGE, PLATFORMS, TILT, TOOLS, Tool, accepts, parse_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("kind v0.33.0 go1.25.0 linux/amd64", (0, 33, 0)),
        ("v0.37.6, built 2026-08-08", (0, 37, 6)),
        ("v4.1.4+g1234567", (4, 1, 4)),
        ('{"clientVersion": {"gitVersion": "v1.37.0"}}', (1, 37, 0)),
        ("kind v0.34.0-alpha+abc go1.25.0", None),
        ("v1.37.0-rc.1", None),
        ('{"clientVersion": {}}', None),
        ("command not found", None),
        (f"v0.{'1' * 5000}.2", None),
        ("", None),
    ],
)
def test_versions_are_read_from_what_the_tools_print(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("tool", "version", "fine"),
    [
        (KIND, (0, 33, 4), True),
        (KIND, (0, 32, 9), False),
        (KIND, (0, 34, 0), False),
        (TILT, (0, 37, 5), False),
        (TILT, (0, 37, 6), True),
        (TILT, (0, 38, 0), False),
        (HELM, (4, 2, 4), True),
        (HELM, (3, 19, 0), False),
        (HELM, (5, 0, 0), False),
        (KUBECTL, (1, 36, 0), True),
        (KUBECTL, (1, 38, 9), True),
        (KUBECTL, (1, 39, 0), False),
        (KUBECTL, None, False),
    ],
)
def test_only_versions_in_the_range_will_do(tool: Tool, version: tuple[int, int, int] | None, fine: bool) -> None:
    assert accepts(tool, version) is fine


@pytest.mark.requirement("LC-Q3")
@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_every_tool_has_a_file_for_every_platform_and_its_own_version_will_do(tool: Tool) -> None:
    assert set(tool.files) == set(PLATFORMS)
    assert accepts(tool, parse_version(tool.version))
    assert tool.folder.startswith("https://")
    assert tool.folder.endswith("/")
    assert set(tool.member) in (set(), set(PLATFORMS))


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_a_pinned_checksum_has_the_form_of_one(tool: Tool) -> None:
    for sum_ in tool.sha256.values():
        assert len(bytes.fromhex(sum_)) == 32


@pytest.mark.requirement("LC-Q1")
def test_the_node_image_is_pinned_by_digest() -> None:
    assert NODE_IMAGE.startswith("kindest/node:v1.37.0@sha256:")
