"""What is written to git against random names, words and histories: nothing lost, forged or led elsewhere."""

from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.gitops.test_message import CHANGE, FENCE
from unit.gitops.test_pending import Item
from unit.gitops.test_plan import Branch
from unit.gitops.test_smart_http import headers
from unit.gitops.test_tokens import TOKENS

from kilter.errors import BadInput
from kilter.gitops.flux import Flux
from kilter.gitops.layout import file_name, lay_out
from kilter.gitops.message import Written, of_deploys, parse
from kilter.gitops.model import Change
from kilter.gitops.pending import Pending
from kilter.gitops.smart_http import BadRequest, body
from kilter.gitops.tokens import Right, presented


@pytest.mark.requirement("C9")
@given(st.text(), st.text(), st.text())
def test_no_word_of_others_can_forge_a_line(actor: str, deploy: str, image: str) -> None:
    message = of_deploys([Written(replace(CHANGE, actor=actor, deploy=deploy, image=image))], FENCE)
    assert parse(message) == (
        {"env": CHANGE.label, "deploy": deploy, "actor": actor, "release": 12, "image": image, "removed": False},
    )
    assert len(message.split("\n")) == 7
    assert message.replace("\n", "").isprintable()


@given(*[st.text(alphabet="ab1-./\\\0é", max_size=6)] * 4)
def test_whatever_the_names_are_every_path_is_inside_of_its_folder(org: str, app: str, env: str, file: str) -> None:
    try:
        laid = lay_out(Change(org, app, env, "ns", {file: "a: 1\n"}), Flux())
    except BadInput:
        return
    for path in laid.files:
        assert path == laid.pointer or path.rpartition("/")[0] == f"apps/{org}/{app}/{env}"
        assert not {"", ".", ".."} & set(path.split("/"))


@given(*[st.text(alphabet="aB:./_-", min_size=1, max_size=6)] * 4)
def test_two_objects_never_meet_in_one_file(kind: str, name: str, other_kind: str, other_name: str) -> None:
    one, other = (file_name({"kind": k, "metadata": {"name": n}}) for k, n in ((kind, name), (other_kind, other_name)))
    same = f"{kind}-{name}".lower() == f"{other_kind}-{other_name}".lower()
    assert (one == other) == same


NAMES = st.sampled_from(["a.yaml", "b.yaml", "c.yaml"])
CONTENTS = st.dictionaries(NAMES, st.sampled_from(["x: 1\n", "x: 2\n"]), min_size=1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deploy"), st.sampled_from(["prod", "dev"]), CONTENTS),
        st.tuples(st.just("remove"), st.sampled_from(["prod", "dev"]), st.just({})),
        st.tuples(st.just("edit"), st.sampled_from(["prod/a.yaml", "prod/mine.yaml", "../README.md"]), st.just({})),
    ),
    max_size=12,
)


@given(STEPS)
def test_whatever_happens_an_env_is_as_last_deployed_and_foreign_files_stay(
    steps: list[tuple[str, str, dict[str, str]]],
) -> None:
    branch, foreign = Branch({}), dict[str, str]()
    wanted: dict[str, dict[str, str] | None] = {"prod": None, "dev": None}
    for verb, where, files in steps:
        if verb == "edit":
            path = f"apps/acme/shop/{where}" if "README" not in where else "README.md"
            branch.files[path] = "edited\n"
            if "mine" in path or "README" in path:
                foreign[path] = "edited\n"
            continue
        wanted[where] = files or None
        branch.apply(Change("acme", "shop", where, f"acme-shop-{where}", files or None))
        laid = lay_out(Change("acme", "shop", where, f"acme-shop-{where}", files or None), Flux())
        owned = {path for path in branch.files if path.startswith(f"{laid.folder}/") or path == laid.pointer}
        left = {f"{laid.folder}/a.yaml"} if "edited\n" in branch.files.get(f"{laid.folder}/a.yaml", "") else set()
        assert owned - foreign.keys() - left == laid.files.keys() - left
        assert branch.plan(laid).edits == ()
    assert foreign.items() <= branch.files.items()


KEYS = st.sampled_from("abcdef")


ORDERS = st.lists(st.one_of(KEYS, st.integers(0, 4)), max_size=60)


@given(ORDERS)
def test_every_item_is_taken_or_replaced_exactly_once(steps: list[str | int]) -> None:
    pending: Pending[Item] = Pending()
    put, gone, waiting = list[Item](), list[Item](), list[Item]()
    for number, step in enumerate(steps):
        if isinstance(step, str):
            item = Item(step, number)
            put.append(item)
            replaced = pending.put(item)
            at = next((at for at, other in enumerate(waiting) if other.key == item.key), None)
            assert replaced == (None if at is None else waiting[at])
            if at is None:
                waiting.append(item)
            else:
                gone.append(waiting[at])
                waiting[at] = item
        else:
            taken = pending.take(step)
            assert taken == waiting[:step]
            gone += taken
            del waiting[:step]
        assert len(pending) == len(waiting)
    gone += pending.take(len(put))
    assert sorted(gone, key=lambda item: item.number) == put
    assert len(pending) == 0


@given(st.text())
def test_any_header_is_read_without_an_error(header: str) -> None:
    presented(header)
    assert TOKENS.right(header) in Right


@given(st.binary(max_size=80))
def test_any_bytes_are_a_body_or_a_bad_request(sent: bytes) -> None:
    try:
        read = b"".join(body(headers(("Transfer-Encoding", "chunked")), BytesIO(sent), 50))
    except BadRequest:
        return
    assert len(read) <= 50
