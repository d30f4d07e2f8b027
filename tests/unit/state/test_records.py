import errno
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kilter.errors import BadInput, Busy, MachineLacks, NotFound
from kilter.state import blocks, ledger, records
from kilter.state.files import file_lock
from kilter.state.paths import Paths
from kilter.state.records import Allocation, OwnedElsewhere


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


@pytest.fixture
def directory(tmp_path: Path) -> Callable[[str], Path]:
    def made(name: str) -> Path:
        folder = tmp_path / "projects" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kilter.yaml").write_text("")
        return folder

    return made


def block_of(name: str) -> int:
    return blocks.free_block(name, {})


@pytest.mark.requirement("NS-15", "NS-Q12", "NS-Q13")
def test_a_name_gets_the_same_block_on_every_call_and_on_an_empty_machine(
    paths: Paths, directory: Callable[[str], Path], tmp_path: Path
) -> None:
    first = records.claim(paths, "shop", directory("shop"))
    assert records.claim(paths, "shop", directory("shop")) == first
    elsewhere = records.claim(Paths(tmp_path / "other", tmp_path / "cache"), "shop", directory("shop"))
    assert elsewhere.base == first.base
    assert first.base in range(30000, 32760, 20)
    assert first.password != elsewhere.password


@pytest.mark.requirement("NS-16", "NS-18", "NS-Q14")
def test_fifty_first_claims_at_once_get_fifty_distinct_blocks(paths: Paths, directory: Callable[[str], Path]) -> None:
    names = [f"project-{number}" for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda name: records.claim(paths, name, directory(name)), names))
    assert len({record.base for record in made}) == 50
    assert records.all(paths) == tuple(sorted(made, key=lambda record: record.project))


@pytest.mark.requirement("NS-Q12", "NS-20")
def test_a_taken_block_gives_way_to_the_next_free_one(paths: Paths, directory: Callable[[str], Path]) -> None:
    own = block_of("shop")
    records.restore(paths, [Allocation("first", "/x", own, {"tilt": own + 19}, "p")])
    assert records.claim(paths, "shop", directory("shop")).base in (own + 20, 30000)


@pytest.mark.requirement("NS-Q12")
def test_a_full_machine_lists_what_could_be_given_back(paths: Paths, directory: Callable[[str], Path]) -> None:
    bases = [30000 + 20 * number for number in range(138)]
    records.restore(paths, [Allocation(f"p{base}", f"/src/p{base}", base, {"tilt": base + 19}, "x") for base in bases])
    with pytest.raises(MachineLacks, match="all 138 port blocks are taken") as caught:
        records.claim(paths, "one-more", directory("one-more"))
    assert "`kilter destroy --purge`" in caught.value.hint
    assert "p30000  /src/p30000" in caught.value.details
    assert len(caught.value.details) == 138


@pytest.mark.requirement("NS-Q2", "C4")
def test_a_name_owned_by_another_directory_is_refused_naming_it(paths: Paths, directory: Callable[[str], Path]) -> None:
    first = directory("shop")
    before = records.claim(paths, "shop", first)
    with pytest.raises(OwnedElsewhere, match=str(first)) as caught:
        records.claim(paths, "shop", directory("copy"))
    assert not caught.value.vanished
    assert "choose another name" in caught.value.hint
    assert records.read(paths, "shop") == before


@pytest.mark.requirement("NS-Q2")
def test_a_project_whose_directory_moved_is_told_how_to_be_taken_over(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    first = directory("shop")
    before = records.claim(paths, "shop", first)
    (first / "kilter.yaml").unlink()
    with pytest.raises(OwnedElsewhere) as caught:
        records.claim(paths, "shop", directory("new"))
    assert caught.value.vanished
    assert "kilter doctor --fix" in caught.value.hint
    moved = records.move(paths, "shop", directory("new"))
    assert records.claim(paths, "shop", directory("new")) == moved
    assert moved.password == before.password


@pytest.mark.requirement("NS-Q2")
def test_a_directory_that_may_not_be_entered_still_owns_its_name(
    paths: Paths, directory: Callable[[str], Path], close: Callable[[Path], None]
) -> None:
    first = directory("shop")
    records.claim(paths, "shop", first)
    close(first)
    with pytest.raises(OwnedElsewhere, match=str(first)) as caught:
        records.claim(paths, "shop", directory("copy"))
    assert not caught.value.vanished


@pytest.mark.requirement("C5")
def test_odd_directory_names_are_kept_as_they_are(paths: Paths, tmp_path: Path) -> None:
    odd = tmp_path / 'a "b"\n\udcff c'
    odd.mkdir()
    records.claim(paths, "shop", odd)
    link = tmp_path / "link"
    link.symlink_to(odd)
    assert records.claim(paths, "shop", link).directory == str(odd)


@pytest.mark.requirement("NS-15", "NS-Q13", "NS-Q19")
def test_ports_are_given_in_order_of_need_and_kept_for_good(paths: Paths, directory: Callable[[str], Path]) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    first = records.assign(paths, "shop", ["postgres/db", "shop/http"], {})
    assert first.ports == {"tilt": base + 19, "postgres/db": base, "shop/http": base + 1}
    records.assign(paths, "shop", ["shop/http"], {})
    last = records.assign(paths, "shop", ["redis/redis", "shop/http", "postgres/db"], {})
    assert last.ports == {**first.ports, "redis/redis": base + 2}
    assert last.tilt_port == base + 19
    assert base + 19 not in last.mapped_ports
    assert len(last.mapped_ports) == 19


def test_an_assignment_that_changes_nothing_writes_nothing(paths: Paths, directory: Callable[[str], Path]) -> None:
    records.claim(paths, "shop", directory("shop"))
    records.assign(paths, "shop", ["postgres/db"], {})
    before = paths.ports_file.stat().st_ino
    records.assign(paths, "shop", ["postgres/db"], {})
    assert paths.ports_file.stat().st_ino == before


def test_a_full_block_reuses_the_number_of_what_is_no_longer_needed(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    keys = [f"s{number}/http" for number in range(19)]
    records.assign(paths, "shop", keys, {})
    later = records.assign(paths, "shop", [*keys[1:], "new/http"], {})
    assert later.ports["new/http"] == base
    assert "s0/http" not in later.ports
    with pytest.raises(BadInput, match="more than 19 ports"):
        records.assign(paths, "shop", [*keys, "new/http"], {})


@pytest.mark.requirement("NS-Q18")
def test_a_full_block_reuses_no_number_of_a_former_pin_outside_of_it(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    keys = [f"s{number}/http" for number in range(19)]
    records.assign(paths, "shop", ["former/x"], {"former/x": 32765})
    records.assign(paths, "shop", keys, {})
    assert records.assign(paths, "shop", [*keys[1:], "new/http"], {}).ports["new/http"] == base


@pytest.mark.requirement("NS-15", "NS-Q18")
def test_a_port_stays_when_a_lower_one_becomes_free(paths: Paths, directory: Callable[[str], Path]) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    records.assign(paths, "shop", ["a/x", "b/x"], {})
    records.assign(paths, "shop", ["a/x", "b/x"], {"a/x": base + 5})
    later = records.assign(paths, "shop", ["a/x", "b/x", "c/x"], {"a/x": base + 5})
    assert later.ports == {"a/x": base + 5, "b/x": base + 1, "c/x": base, "tilt": base + 19}


@pytest.mark.requirement("NS-Q18")
def test_a_pin_takes_the_number_of_what_is_no_longer_needed_which_gets_another_when_it_is_back(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    records.assign(paths, "shop", ["a/x"], {})
    pinned = records.assign(paths, "shop", ["b/x"], {"b/x": base})
    assert pinned.ports == {"b/x": base, "tilt": base + 19}
    back = records.assign(paths, "shop", ["a/x", "b/x"], {"b/x": base})
    assert back.ports == {"a/x": base + 1, "b/x": base, "tilt": base + 19}


@pytest.mark.requirement("NS-Q18")
def test_a_free_number_of_the_block_may_be_pinned_at_any_time(paths: Paths, directory: Callable[[str], Path]) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    records.assign(paths, "shop", ["postgres/db"], {}, cluster_exists=True)
    pinned = records.assign(paths, "shop", ["postgres/db", "redis/r"], {"redis/r": base + 7}, cluster_exists=True)
    assert pinned.ports["redis/r"] == base + 7
    assert pinned.ports["postgres/db"] == base


@pytest.mark.requirement("NS-Q18", "C13")
@pytest.mark.parametrize("port", [0, 80, 70000, 29999, 32768, 32760])
def test_a_pin_outside_the_range_or_on_the_registry_is_refused(
    paths: Paths, directory: Callable[[str], Path], port: int
) -> None:
    records.claim(paths, "shop", directory("shop"))
    with pytest.raises(BadInput, match=f"hostPort {port} of db/x") as caught:
        records.assign(paths, "shop", ["db/x"], {"db/x": port})
    assert "free ports" in caught.value.hint


@pytest.mark.requirement("NS-Q18")
@pytest.mark.parametrize("port", [30000, 32767])
def test_the_first_and_the_last_node_port_may_be_pinned(
    paths: Paths, directory: Callable[[str], Path], port: int
) -> None:
    assert block_of("shop") != 30000
    records.claim(paths, "shop", directory("shop"))
    assert records.assign(paths, "shop", ["db/x"], {"db/x": port}).ports["db/x"] == port


@pytest.mark.requirement("NS-Q18", "C13")
def test_a_pin_on_a_port_in_use_or_on_tilts_is_refused(paths: Paths, directory: Callable[[str], Path]) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    records.assign(paths, "shop", ["a/x"], {})
    free = f"take one of this project's free ports: {base + 1}, {base + 2}, "
    with pytest.raises(BadInput, match="already the port of a/x") as caught:
        records.assign(paths, "shop", ["a/x", "b/x"], {"b/x": base})
    assert caught.value.hint.startswith(free)
    with pytest.raises(BadInput, match="kept for Tilt") as caught:
        records.assign(paths, "shop", ["a/x", "b/x"], {"b/x": base + 19})
    assert caught.value.hint.startswith(free)
    with pytest.raises(BadInput, match="already the port of"):
        records.assign(paths, "shop", ["b/x", "c/x"], {"b/x": base + 5, "c/x": base + 5})


@pytest.mark.requirement("NS-Q18")
def test_pins_may_exchange_the_numbers_that_kilter_gave(paths: Paths, directory: Callable[[str], Path]) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    records.assign(paths, "shop", ["a/x", "b/x"], {})
    exchanged = records.assign(paths, "shop", ["a/x", "b/x"], {"a/x": base + 1, "b/x": base}, cluster_exists=True)
    assert exchanged.ports == {"a/x": base + 1, "b/x": base, "tilt": base + 19}
    moved = records.assign(paths, "shop", ["a/x", "b/x"], {"a/x": base, "b/x": base + 5}, cluster_exists=True)
    assert moved.ports == {"a/x": base, "b/x": base + 5, "tilt": base + 19}


@pytest.mark.requirement("NS-Q18")
def test_a_pin_outside_the_block_needs_a_new_cluster(paths: Paths, directory: Callable[[str], Path]) -> None:
    records.claim(paths, "shop", directory("shop"))
    with pytest.raises(BadInput, match="needs a new cluster") as caught:
        records.assign(paths, "shop", ["a/x"], {"a/x": 32765}, cluster_exists=True)
    assert "free ports" in caught.value.hint
    pinned = records.assign(paths, "shop", ["a/x"], {"a/x": 32765})
    assert 32765 in pinned.mapped_ports
    assert records.assign(paths, "shop", ["a/x"], {"a/x": 32765}, cluster_exists=True) == pinned
    unpinned = records.assign(paths, "shop", ["a/x"], {})
    assert unpinned.ports["a/x"] in unpinned.block


@pytest.mark.requirement("NS-Q18", "NS-16")
def test_a_pin_of_another_project_is_refused_and_its_block_avoided(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    shop = records.claim(paths, "shop", directory("shop"))
    records.claim(paths, "blog", directory("blog"))
    with pytest.raises(BadInput, match="belongs to project shop") as caught:
        records.assign(paths, "blog", ["a/x"], {"a/x": shop.base + 3})
    assert f"take one of this project's free ports: {block_of('blog')}, " in caught.value.hint
    own = block_of("third")
    records.assign(paths, "blog", ["a/x"], {"a/x": own + 3})
    with pytest.raises(BadInput, match="belongs to project blog"):
        records.assign(paths, "shop", ["a/x"], {"a/x": own + 3})
    assert records.claim(paths, "third", directory("third")).base != own


@pytest.mark.requirement("NS-Q16")
def test_moving_the_block_keeps_every_offset_and_the_password(paths: Paths, directory: Callable[[str], Path]) -> None:
    records.claim(paths, "shop", directory("shop"))
    before = records.assign(paths, "shop", ["a/x", "b/x"], {})
    after = records.reassign(paths, "shop", avoid=[before.base + 21])
    assert after.base not in (before.base, before.base + 20)
    assert {key: port - after.base for key, port in after.ports.items()} == {
        key: port - before.base for key, port in before.ports.items()
    }
    assert after.password == before.password


@pytest.mark.requirement("NS-Q16", "NS-Q18")
def test_a_pin_outside_the_block_stays_when_the_block_moves_and_no_block_comes_over_it(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    records.assign(paths, "shop", ["a/x", "b/x"], {"b/x": base + 23})
    after = records.reassign(paths, "shop", avoid=[base])
    assert after.base not in (base, base + 20)
    assert after.ports == {"a/x": after.base, "b/x": base + 23, "tilt": after.base + 19}


@pytest.mark.requirement("NS-Q22", "NS-Q21")
def test_credentials_are_named_after_the_project_and_its_password_is_random(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    records.claim(paths, "my-shop", directory("my-shop"))
    record = records.assign(paths, "my-shop", ["postgres/db"], {})
    [(service, given)] = record.credentials.items()
    assert service == "postgres"
    assert (given.user, given.database) == ("my_shop", "my_shop")
    assert len(given.password) == 32
    assert given.password.isascii()
    assert given.password.isalnum()
    assert record.password not in repr(record)
    assert paths.ports_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.requirement("NS-Q22")
@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("pg-shop", "_pg_shop"),
        ("public", "_public"),
        ("template0", "_template0"),
        ("pgshop", "pgshop"),
        ("public-x", "public_x"),
    ],
)
def test_no_user_is_named_as_postgresql_keeps_to_itself(
    name: str, user: str, paths: Paths, directory: Callable[[str], Path]
) -> None:
    assert records.claim(paths, name, directory(name)).login.user == user


def test_an_unknown_project_is_none_and_forgetting_it_is_fine(paths: Paths, tmp_path: Path) -> None:
    assert records.read(paths, "nobody") is None
    records.forget(paths, "nobody")
    attempts: list[Callable[[], object]] = [
        lambda: records.assign(paths, "nobody", [], {}),
        lambda: records.reassign(paths, "nobody", ()),
        lambda: records.move(paths, "nobody", tmp_path),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound, match="project nobody has no ports"):
            attempt()


@pytest.mark.requirement("NS-Q14")
def test_whatever_changes_the_record_waits_for_who_changes_it(
    paths: Paths, directory: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = records.claim(paths, "shop", directory("shop"))
    monkeypatch.setattr(records, "PATIENCE", 0)
    attempts: list[Callable[[], object]] = [
        lambda: records.claim(paths, "blog", directory("blog")),
        lambda: records.assign(paths, "shop", ["a/x"], {}),
        lambda: records.reassign(paths, "shop", ()),
        lambda: records.move(paths, "shop", directory("new")),
        lambda: records.forget(paths, "shop"),
        lambda: records.restore(paths, ()),
        lambda: records.repair(paths),
        lambda: records.renew_copies(paths),
    ]
    with file_lock(paths.data / "ports.lock", 0, "the record of ports"):
        for attempt in attempts:
            with pytest.raises(Busy, match="the record of ports is in use"):
                attempt()
        assert records.all(paths) == (shop,)


def test_a_project_that_cannot_be_forgotten_stays_known_and_says_why(
    paths: Paths, directory: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = records.claim(paths, "shop", directory("shop"))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(MachineLacks, match=r"cannot write .*record\.json") as caught:
        records.forget(paths, "shop")
    assert "a `sudo kilter` may have made it" in caught.value.hint
    assert records.read(paths, "shop") == shop


def test_a_forgotten_project_gives_its_block_back(paths: Paths, directory: Callable[[str], Path]) -> None:
    first = records.claim(paths, "shop", directory("shop"))
    records.forget(paths, "shop")
    assert records.all(paths) == ()
    again = records.claim(paths, "shop", directory("copy"))
    assert again.base == first.base
    assert again.password != first.password


@pytest.mark.requirement("NS-Q14")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": "kilter.ports/v1"}',
        '{"schema": "kilter.ports/v1", "projects": []}',
        '{"projects": {}}',
        "\x00\xff",
        "[" * 100_000,
    ],
)
def test_a_damaged_record_is_named_and_rebuilt_from_the_copies(
    paths: Paths, directory: Callable[[str], Path], text: str
) -> None:
    records.claim(paths, "shop", directory("shop"))
    before = records.assign(paths, "shop", ["postgres/db"], {})
    paths.ports_file.write_text(text, encoding="latin-1")
    with pytest.raises(MachineLacks, match=r"ports\.json is damaged") as caught:
        records.read(paths, "shop")
    assert "kilter doctor --fix" in caught.value.hint
    assert records.repair(paths) == ("shop",)
    assert records.read(paths, "shop") == before
    assert (paths.data / "ports.json.damaged").exists()


@pytest.mark.requirement("NS-Q14")
@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("directory", "/src/\0shop"),
        ("directory", "/src/\ud800"),
        ("directory", 7),
        ("base", True),
        ("base", -20),
        ("base", 10**30),
        ("base", "30000"),
        ("ports", {}),
        ("ports", {"tilt": 0}),
        ("ports", {"tilt": 30019, "a/x": 0}),
        ("ports", {"tilt": 65536}),
        ("ports", {"tilt": 30019.0}),
        ("ports", [30019]),
        ("password", None),
    ],
)
def test_an_entry_that_kilter_never_writes_is_damage(
    paths: Paths, directory: Callable[[str], Path], change: str, value: object
) -> None:
    records.claim(paths, "shop", directory("shop"))
    document = json.loads(paths.ports_file.read_text())
    document["projects"]["shop"][change] = value
    paths.ports_file.write_text(json.dumps(document))
    with pytest.raises(MachineLacks, match=r"ports\.json is damaged"):
        records.all(paths)
    assert records.repair(paths) == ("shop",)


@pytest.mark.requirement("NS-Q14")
@pytest.mark.parametrize("name", ["../shop", "/etc", "", ".", "a/b", "Shop"])
def test_a_record_leads_into_no_folder_but_its_projects_own(
    paths: Paths, directory: Callable[[str], Path], name: str
) -> None:
    records.claim(paths, "shop", directory("shop"))
    document = json.loads(paths.ports_file.read_text())
    document["projects"] = {name: document["projects"]["shop"]}
    paths.ports_file.write_text(json.dumps(document))
    with pytest.raises(MachineLacks, match=r"ports\.json is damaged"):
        records.all(paths)


def test_every_truncation_of_the_record_is_an_error_that_names_the_file(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    records.claim(paths, "shop", directory("shop"))
    whole = paths.ports_file.read_text()
    for length in range(0, len(whole.rstrip()) - 1, 7):
        paths.ports_file.write_text(whole[:length])
        with pytest.raises(MachineLacks, match=r"ports\.json"):
            records.read(paths, "shop")


@pytest.mark.requirement("F18", "NS-Q14")
@pytest.mark.parametrize("version", [2, 9, 10, 21])
def test_a_record_of_a_newer_kilter_is_named_as_such_and_never_rebuilt_over(
    paths: Paths, directory: Callable[[str], Path], version: int
) -> None:
    records.claim(paths, "shop", directory("shop"))
    text = json.dumps({"schema": f"kilter.ports/v{version}", "projects": {}})
    paths.ports_file.write_text(text)
    for attempt in (
        lambda: records.all(paths),
        lambda: records.repair(paths),
        lambda: records.restore(paths, []),
        lambda: records.forget(paths, "shop"),
    ):
        with pytest.raises(MachineLacks, match="was written by a newer kilter") as caught:
            attempt()
        assert "doctor --fix" not in caught.value.hint
    assert paths.ports_file.read_text() == text
    assert not (paths.data / "ports.json.damaged").exists()


@pytest.mark.requirement("F18", "NS-Q14")
def test_a_copy_of_a_newer_kilter_keeps_the_others_from_a_rebuild_that_would_forget_it(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    records.claim(paths, "blog", directory("blog"))
    records.claim(paths, "shop", directory("shop"))
    copy = paths.project_data("shop") / "record.json"
    copy.write_text(copy.read_text().replace("kilter.ports/v1", "kilter.ports/v2"))
    paths.ports_file.write_text("{")
    with pytest.raises(MachineLacks, match=r"record\.json was written by a newer kilter"):
        records.repair(paths)
    assert paths.ports_file.read_text() == "{"


@pytest.mark.parametrize("schema", ["kilter.ports/v0", "kilter.ports/v1x", "other/v2", 7, None])
def test_a_schema_that_no_kilter_ever_had_is_damage(paths: Paths, schema: object) -> None:
    paths.data.mkdir(parents=True)
    paths.ports_file.write_text(json.dumps({"schema": schema, "projects": {}}))
    with pytest.raises(MachineLacks, match="is damaged"):
        records.all(paths)


def test_restoring_keeps_what_is_there(paths: Paths, directory: Callable[[str], Path]) -> None:
    here = records.claim(paths, "shop", directory("shop"))
    lost = Allocation("blog", "/blog", 30000 if here.base != 30000 else 30020, {"tilt": 30019}, "p")
    other = Allocation("shop", "/other", 30040, {"tilt": 30059}, "q")
    rival = Allocation("rival", "/rival", here.base, {"tilt": 1}, "r")
    assert records.restore(paths, [other, lost, rival]) == ("blog",)
    assert records.read(paths, "shop") == here


def test_the_copy_of_a_record_is_written_before_the_whole(
    paths: Paths, directory: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ledger.save

    def full(file: Path, known: Mapping[str, Allocation]) -> None:
        if file == paths.ports_file:
            raise MachineLacks("no space is left")
        whole(file, known)

    monkeypatch.setattr(ledger, "save", full)
    with pytest.raises(MachineLacks, match="no space"):
        records.claim(paths, "shop", directory("shop"))
    monkeypatch.undo()
    kept = records.read(paths, "shop")
    assert kept is not None
    assert records.claim(paths, "shop", directory("shop")) == kept


@pytest.mark.requirement("NS-Q14")
def test_a_file_that_is_missing_is_put_together_from_the_copies_at_the_next_claim(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    blog = records.claim(paths, "blog", directory("blog"))
    records.claim(paths, "shop", directory("shop"))
    shop = records.assign(paths, "shop", ["postgres/db"], {})
    paths.ports_file.unlink()
    assert records.all(paths) == (blog, shop)
    assert records.read(paths, "shop") == shop
    assert records.claim(paths, "shop", directory("shop")) == shop
    assert ledger.load(paths.ports_file) == {"blog": blog, "shop": shop}


@pytest.mark.requirement("NS-Q14", "NS-16")
def test_a_new_project_takes_no_block_of_those_that_a_missing_file_held(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    lost = Allocation("lost", str(directory("lost")), block_of("shop"), {"tilt": block_of("shop") + 19}, "p")
    records.restore(paths, [lost])
    ledger.save_copy(paths, lost)
    paths.ports_file.unlink()
    assert records.claim(paths, "shop", directory("shop")).base != lost.base
    assert records.read(paths, "lost") == lost


@pytest.mark.requirement("NS-Q14", "NS-16")
@pytest.mark.parametrize("closed", [False, True])
def test_a_block_that_a_copy_alone_still_holds_is_not_given_away(
    paths: Paths, directory: Callable[[str], Path], close: Callable[[Path], None], closed: bool
) -> None:
    """As a kill between the copy and the whole leaves it; a copy that may not be read stands in nobody's way."""
    lost = Allocation("lost", str(directory("lost")), block_of("shop"), {"tilt": block_of("shop") + 19}, "p")
    ledger.save(paths.ports_file, {})
    ledger.save_copy(paths, lost)
    if closed:
        close(paths.project_data("lost"))
    assert (records.claim(paths, "shop", directory("shop")).base == lost.base) is closed


@pytest.mark.requirement("NS-Q14", "NS-16")
def test_a_project_that_is_moved_takes_no_block_that_a_copy_alone_still_holds(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    base = records.claim(paths, "shop", directory("shop")).base
    following = base + 20 if base < 32740 else 30000
    ledger.save_copy(paths, Allocation("lost", "/lost", following, {"tilt": following + 19}, "p"))
    assert records.reassign(paths, "shop", ()).base not in (base, following)


@pytest.mark.requirement("NS-Q14", "NS-Q16", "NS-16")
@pytest.mark.parametrize("pin", [False, True])
def test_a_lost_record_whose_block_was_given_away_keeps_all_but_its_block(
    paths: Paths, directory: Callable[[str], Path], pin: bool
) -> None:
    records.claim(paths, "lost", directory("lost"))
    before = records.assign(paths, "lost", ["postgres/db"], {})
    base = before.base if not pin else 30000 if before.base != 30000 else 30020
    rival = Allocation("rival", "/rival", base, {"tilt": base + 19, "a/x": before.base}, "r")
    ledger.save(paths.ports_file, {"rival": rival})
    seen = records.read(paths, "lost")
    after = records.claim(paths, "lost", directory("lost"))
    assert after == seen
    assert after.base not in (rival.base, before.base)
    assert (after.password, after.directory) == (before.password, before.directory)
    assert after.ports == {"tilt": after.base + 19, "postgres/db": after.base}
    assert records.all(paths) == (after, rival)
    assert ledger.copy(paths, "lost") == after


@pytest.mark.requirement("NS-Q14", "NS-16")
def test_of_copies_with_one_block_the_first_keeps_it_where_the_file_is_missing(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    base = block_of("b")
    following = base + 20 if base < 32740 else 30000
    for name, block in (("a", base), ("b", base), ("c", following)):
        ledger.save_copy(paths, Allocation(name, str(directory(name)), block, {"tilt": block + 19}, name))
    first, second, third = records.all(paths)
    assert (first.base, third.base) == (base, following)
    assert second.base not in (base, following)
    assert (second.password, second.tilt_port) == ("b", second.ports["tilt"])
    assert records.claim(paths, "b", directory("b")) == second
    records.claim(paths, "d", directory("d"))
    assert records.all(paths)[:3] == (first, second, third)


@pytest.mark.requirement("NS-Q2", "NS-Q14")
@pytest.mark.parametrize("left", [{}, {"blog": Allocation("blog", "/blog", 32740, {"tilt": 32759}, "p")}])
def test_a_name_that_the_file_has_lost_still_belongs_to_its_directory(
    paths: Paths, directory: Callable[[str], Path], left: dict[str, Allocation]
) -> None:
    first = records.claim(paths, "shop", directory("shop"))
    ledger.save(paths.ports_file, left) if left else paths.ports_file.unlink()
    for attempt in (records.claim, records.refuse_foreign):
        with pytest.raises(OwnedElsewhere, match=str(directory("shop"))):
            attempt(paths, "shop", directory("copy"))
    records.refuse_foreign(paths, "shop", directory("shop"))
    assert records.claim(paths, "shop", directory("shop")) == first
    assert ledger.load(paths.ports_file) == {**left, "shop": first}


@pytest.mark.requirement("NS-Q14")
@pytest.mark.parametrize("damage", ["{", "", '{"schema": "kilter.ports/v1", "projects": {"blog": {}}}'])
def test_a_copy_that_cannot_be_read_is_never_written_over(
    paths: Paths, directory: Callable[[str], Path], damage: str
) -> None:
    records.claim(paths, "shop", directory("shop"))
    paths.ports_file.unlink()
    copy = paths.project_data("shop") / "record.json"
    copy.write_text(damage)
    for attempt in (records.claim, records.refuse_foreign):
        with pytest.raises(MachineLacks, match=r"shop/record\.json is damaged") as caught:
            attempt(paths, "shop", directory("shop"))
        assert "`kilter doctor --fix` sets it aside" in caught.value.hint
    assert copy.read_text() == damage
    assert records.claim(paths, "blog", directory("blog")).project == "blog"


@pytest.mark.requirement("NS-Q14")
@pytest.mark.parametrize("missing", [False, True])
def test_a_record_that_may_not_be_read_is_not_taken_for_damaged(
    paths: Paths, directory: Callable[[str], Path], close: Callable[[Path], None], missing: bool
) -> None:
    records.claim(paths, "shop", directory("shop"))
    if missing:
        paths.ports_file.unlink()
    refused = paths.project_data("shop") / "record.json" if missing else paths.ports_file
    close(paths.project_data("shop") if missing else paths.data)
    for attempt in (lambda: records.all(paths), lambda: records.read(paths, "shop")):
        with pytest.raises(MachineLacks, match=f"cannot read {refused}") as caught:
            attempt()
        assert not isinstance(caught.value, ledger.Damaged)
        assert f"make {refused} readable for you" in caught.value.hint


@pytest.mark.requirement("NS-Q14")
def test_a_copy_in_the_folder_of_another_name_counts_for_nobody(paths: Paths, directory: Callable[[str], Path]) -> None:
    shop = records.claim(paths, "shop", directory("shop"))
    stale = paths.project_data("a-shop") / "record.json"
    stale.parent.mkdir()
    stale.write_text((paths.project_data("shop") / "record.json").read_text().replace(shop.password, "stale"))
    paths.ports_file.unlink()
    assert records.all(paths) == (shop,)
    with pytest.raises(MachineLacks, match="is damaged") as caught:
        records.claim(paths, "a-shop", directory("a-shop"))
    assert "the record of shop" in caught.value.why


@pytest.mark.requirement("NS-Q14")
def test_damaged_copies_are_kept_aside_and_those_of_known_projects_written_anew(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    shop = records.claim(paths, "shop", directory("shop"))
    records.claim(paths, "lost", directory("lost"))
    ledger.save(paths.ports_file, {"shop": shop})
    for name in ("shop", "lost"):
        (paths.project_data(name) / "record.json").write_text(f"damage of {name}")
    assert records.renew_copies(paths) == ("lost",)
    assert ledger.copy(paths, "shop") == shop
    for name in ("shop", "lost"):
        assert (paths.project_data(name) / "record.json.damaged").read_text() == f"damage of {name}"
    assert records.claim(paths, "lost", directory("elsewhere")).project == "lost"
    assert records.renew_copies(paths) == ()


@pytest.mark.requirement("F18", "NS-Q14")
def test_a_copy_of_a_newer_kilter_and_what_is_no_copy_stay_as_they_are_beside_a_damaged_one(
    paths: Paths, directory: Callable[[str], Path]
) -> None:
    for name in ("newer", "shop"):
        records.claim(paths, name, directory(name))
    newer, damaged = (paths.project_data(name) / "record.json" for name in ("newer", "shop"))
    newer.write_text(newer.read_text().replace("kilter.ports/v1", "kilter.ports/v2"))
    damaged.write_text("{")
    (paths.data / "notes").write_text("a file of somebody's")
    assert list(ledger.damaged_copies(paths)) == ["shop"]
    records.renew_copies(paths)
    assert ledger.copy(paths, "shop") == records.read(paths, "shop")
    assert "kilter.ports/v2" in newer.read_text()


def test_forgetting_where_the_file_is_missing_keeps_the_others(paths: Paths, directory: Callable[[str], Path]) -> None:
    blog = records.claim(paths, "blog", directory("blog"))
    records.claim(paths, "shop", directory("shop"))
    paths.ports_file.unlink()
    records.forget(paths, "shop")
    assert ledger.load(paths.ports_file) == {"blog": blog}
    assert records.read(paths, "shop") is None


@pytest.mark.requirement("NS-Q14")
@pytest.mark.parametrize("earlier", [None, "an earlier one"])
def test_a_rebuild_that_cannot_be_written_leaves_the_damaged_file_in_its_place(
    paths: Paths, directory: Callable[[str], Path], earlier: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = records.claim(paths, "shop", directory("shop"))
    paths.ports_file.write_text("{")
    aside = paths.data / "ports.json.damaged"
    if earlier:
        aside.write_text(earlier)

    def full(_file: Path, _known: Mapping[str, Allocation]) -> None:
        raise MachineLacks("no space is left")

    monkeypatch.setattr(ledger, "save", full)
    with pytest.raises(MachineLacks, match="no space"):
        records.repair(paths)
    assert paths.ports_file.read_text() == "{"
    monkeypatch.undo()
    assert records.repair(paths) == ("shop",)
    assert aside.read_text() == "{"
    assert records.all(paths) == (shop,)


def test_a_damaged_file_that_cannot_be_kept_is_not_replaced(
    paths: Paths, directory: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    records.claim(paths, "shop", directory("shop"))
    paths.ports_file.write_text("{")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(MachineLacks, match=r"cannot keep .*ports\.json as ports\.json\.damaged"):
        records.repair(paths)
    assert paths.ports_file.read_text() == "{"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_a_damaged_file_is_kept_as_a_copy_where_hard_links_are_not_possible(
    paths: Paths, directory: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    shop = records.claim(paths, "shop", directory("shop"))
    paths.ports_file.write_bytes(b"\x00\xff\r\n")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    assert records.repair(paths) == ("shop",)
    aside = paths.data / "ports.json.damaged"
    assert aside.read_bytes() == b"\x00\xff\r\n"
    assert aside.stat().st_mode & 0o777 == 0o600
    assert records.all(paths) == (shop,)


@pytest.mark.requirement("NS-Q13")
def test_a_project_whose_record_goes_meanwhile_is_given_no_port(
    paths: Paths, directory: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `destroy --purge` of another process removes it after the first look."""
    known = records.claim(paths, "shop", directory("shop"))
    records.claim(paths, "other", directory("other"))
    records.forget(paths, "shop")
    monkeypatch.setattr(records, "_known", lambda *_: known)
    before = paths.ports_file.read_bytes()
    with pytest.raises(NotFound, match="project shop has no ports on this machine"):
        records.assign(paths, "shop", ["redis/redis"], {})
    assert paths.ports_file.read_bytes() == before
