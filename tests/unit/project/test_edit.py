"""Edits change the lines they must and no other, whatever the file looks like."""

from pathlib import Path

import pytest

from kilter.errors import BadInput
from kilter.project.edit import add_service, clear_stopped, set_platform, set_stopped, text_of

LONG = "# top\nname: shop  # the name\n\nservices:\n  # database\n  postgres: '17'   # pinned\n\n# end\n"


@pytest.mark.requirement("LC-16", "LC-Q13", "LC-Q14")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, LONG + "cluster:\n  stopped: true\n"),
        (LONG.replace("\n", "\r\n"), (LONG + "cluster:\n  stopped: true\n").replace("\n", "\r\n")),
        ("\ufeffname: a\n", "\ufeffname: a\ncluster:\n  stopped: true\n"),
        ("# only\n", "# only\ncluster:\n  stopped: true\n"),
        ("", "cluster:\n  stopped: true\n"),
        ("a:\n    b: 1\n", "a:\n    b: 1\ncluster:\n    stopped: true\n"),
        ("cluster: {image: x:1}  # c\n", "cluster: {stopped: true, image: x:1}  # c\n"),
        ("cluster: { image: x:1 }\n", "cluster: { stopped: true, image: x:1 }\n"),
        ("cluster:\n  # node\n  image: x:1\na: b\n", "cluster:\n  # node\n  stopped: true\n  image: x:1\na: b\n"),
        ("---\nname: a\n...\n", "---\ncluster:\n  stopped: true\nname: a\n...\n"),
        ("env:\n  A: |\n    x", "cluster:\n  stopped: true\nenv:\n  A: |\n    x"),
        ("{name: a}\n", "{name: a, cluster: {stopped: true}}\n"),
        ("name: a\ncluster: # mine\n", "name: a\ncluster: # mine\n  stopped: true\n"),
        ("cluster: # 1\n  # 2\nport: 80 # 3\n", "cluster: # 1\n  stopped: true\n  # 2\nport: 80 # 3\n"),
    ],
)
def test_the_stopped_flag_is_written_and_taken_out_again_without_a_trace(before: str, after: str) -> None:
    assert set_stopped(before) == after
    assert set_stopped(after) == after
    assert clear_stopped(after) == before
    assert clear_stopped(before) == before


@pytest.mark.requirement("LC-Q14")
def test_a_flag_of_false_is_turned_and_an_emptied_section_goes() -> None:
    assert set_stopped("cluster:\n  stopped: false # x\n") == "cluster:\n  stopped: true # x\n"
    assert set_stopped("cluster:\n  stopped: 1\n") == "cluster:\n  stopped: true\n", "which is another value in YAML"
    assert clear_stopped("a: b\ncluster:\n  stopped: false\n") == "a: b\n"
    assert clear_stopped("a: b\ncluster: {image: x:1, stopped: true}\n") == "a: b\ncluster: {image: x:1}\n"
    assert set_stopped("cluster:\n# none\na: b\n") == "cluster:\n  stopped: true\n# none\na: b\n"
    assert clear_stopped("cluster: {stopped: true} # x\na: b\n") == "a: b\n"
    flow = "cluster: {image: 'a/b:1', # node\n   stopped: false}\n"
    assert clear_stopped(flow) == "cluster: {image: 'a/b:1', # node\n   }\n"


@pytest.mark.requirement("LC-Q15")
@pytest.mark.parametrize("held", ["false", "''", "0", "[1]", "x"])
def test_a_section_that_is_no_map_is_refused_and_not_written_over(held: str) -> None:
    with pytest.raises(BadInput, match="cannot be edited") as caught:
        set_stopped(f"cluster: {held}\nservices: [redis]\n")
    assert caught.value.why == "`cluster` is not a map"


def test_a_file_without_a_last_line_end_gets_one_with_the_flag() -> None:
    assert set_stopped("name: a") == "name: a\ncluster:\n  stopped: true\n"


@pytest.mark.requirement("DP-Q3")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "# top\nname: shop # the name\n",
            "# top\nname: shop # the name\napp: acme/shop\ndeploy:\n  registry: r:1/team\n",
        ),
        ("", "app: acme/shop\ndeploy:\n  registry: r:1/team\n"),
        ("{name: a}\n", "{name: a, app: acme/shop, deploy: {registry: r:1/team}}\n"),
        ("app: a/b\ndeploy:\n  buildArgs: {A: b}\n", "app: a/b\ndeploy:\n  buildArgs: {A: b}\n  registry: r:1/team\n"),
        ("app: a/b\ndeploy: {registry: x} # mine\n", "app: a/b\ndeploy: {registry: x} # mine\n"),
        (
            "app: # whose\ndeploy:\n  registry: ~ # where\n  buildArgs: {A: b}\n",
            "app: acme/shop # whose\ndeploy:\n  registry: r:1/team # where\n  buildArgs: {A: b}\n",
        ),
        ("{app: , deploy: {registry: }}\n", "{app: acme/shop , deploy: {registry: r:1/team }}\n"),
    ],
)
def test_the_platforms_names_are_written_where_there_are_none_yet(before: str, after: str) -> None:
    assert set_platform(before, "acme/shop", "r:1/team") == after
    assert set_platform(after, "else/where", "other") == after


def test_without_a_registry_the_project_alone_is_written() -> None:
    assert set_platform("name: a\n", "acme/shop", "") == "name: a\napp: acme/shop\n"


@pytest.mark.requirement("CT-8", "CT-Q4", "CT-Q9")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, LONG.replace("# pinned\n", "# pinned\n  redis:\n")),
        (LONG.replace("\n", "\r\n"), LONG.replace("# pinned\n", "# pinned\n  redis:\n").replace("\n", "\r\n")),
        ("name: a", "name: a\nservices:\n  redis:\n"),
        ("# none\n", "# none\nservices:\n  redis:\n"),
        ("services:\n  # mysql:\nname: a\n", "services:\n  redis:\n  # mysql:\nname: a\n"),
        ("services: {}  # none yet\n", "services:  # none yet\n  redis:\n"),
        ("services: {pg: '17'}\n", "services: {pg: '17', redis: null}\n"),
        ("services: [pg, mysql] # two\n", "services: [pg, mysql, redis] # two\n"),
        ("services:\n- pg # p\n\nname: a\n", "services:\n- pg # p\n- redis\n\nname: a\n"),
        ("services:\n  - pg", "services:\n  - pg\n  - redis"),
        ("services:\n  pg:\n    env: {A: x}\n", "services:\n  pg:\n    env: {A: x}\n  redis:\n"),
        ("services:\n  redis: false # no\n", "services:\n  redis: # no\n"),
    ],
)
def test_a_service_is_added_in_the_form_that_the_file_has(before: str, after: str) -> None:
    assert add_service(before, "redis") == after
    assert add_service(after, "redis") == after


def test_a_service_may_come_with_a_version_or_with_settings() -> None:
    assert add_service("services:\n  pg:\n", "redis", "7") == 'services:\n  pg:\n  redis: "7"\n'
    added = add_service("services:\n  pg:\n", "cache", {"type": "redis", "env": {"A": "1"}})
    assert added == 'services:\n  pg:\n  cache:\n    type: "redis"\n    env:\n      A: "1"\n'
    with pytest.raises(BadInput, match="list of names") as raised:
        add_service("services: [pg]", "redis", "7")
    assert 'redis: "7"' in raised.value.hint


@pytest.mark.parametrize("text", ["x-c: &c {image: x:1}\ncluster: *c\n", "- a\n"])
def test_a_form_that_cannot_be_edited_safely_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="cannot be edited"):
        set_stopped(text)


def test_the_text_of_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "kilter.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: a\r\n")
    assert set_stopped(text_of(file)).encode() == b"\xef\xbb\xbfname: a\r\ncluster:\r\n  stopped: true\r\n"
