"""A project's addresses: as a document, and beside those of a `.env` file."""

from pathlib import Path

import pytest
from unit.dev.support import workspace

from kilter.dev import environment
from kilter.errors import NotFound
from kilter.state import records


@pytest.mark.requirement("NS-24")
def test_the_document_has_both_addresses_of_each_service(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    view = environment.read(opened.machine, opened.project)
    rows = view.document().variables
    assert [(row.name, row.in_cluster, row.localhost) for row in rows] == [
        (address.variable, address.in_cluster or None, address.localhost) for address in view.addresses
    ]
    assert any(row.in_cluster for row in rows)


@pytest.mark.requirement("NS-Q27")
def test_a_port_in_an_env_file_is_told_by_the_project_that_has_it(tmp_path: Path) -> None:
    """Whatever else the file holds, in whatever encoding."""
    opened, file = workspace(tmp_path), tmp_path / ".env"
    other = records.claim(opened.machine.paths, "blog", tmp_path / "blog")
    view = environment.read(opened.machine, opened.project)
    [redis] = (address for address in view.addresses if address.kind == "service")
    mine, text = opened.allocation.ports["redis/redis"], f"{redis.variable}={redis.localhost}\n"
    mark, comment = b"\xef\xbb\xbf", b"# caf\xe9\n"
    file.write_bytes(mark + text.encode() + comment)
    assert environment.differences(view, file, opened.machine) == []
    file.write_bytes(mark + text.replace(str(mine), str(other.base)).encode() + comment)
    [said] = environment.differences(view, file, opened.machine)
    assert "blog" in said
    file.write_bytes(mark + text.replace(str(mine), str(mine + 1)).encode() + comment)
    [said] = environment.differences(view, file, opened.machine)
    assert "shop" not in said


def test_an_env_file_that_cannot_be_read_says_why_and_what_to_name(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    view = environment.read(opened.machine, opened.project)
    with pytest.raises(NotFound, match="cannot be read") as caught:
        environment.differences(view, tmp_path / ".env", opened.machine)
    assert caught.value.why == "No such file or directory"
    assert "`kilter env --check .env`" in caught.value.hint
