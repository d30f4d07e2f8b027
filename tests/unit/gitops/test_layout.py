"""Which files a deploy becomes: the same for the same input, and never outside of its own folder."""

import json
from dataclasses import replace

import pytest
import yaml

from kilter.errors import BadInput
from kilter.gitops.flux import Flux
from kilter.gitops.layout import (
    LEADER,
    RECEIPT,
    blob_id,
    claim,
    lay_out,
    leader_text,
    parse_leader,
    parse_receipt,
    points_at,
    split,
)
from kilter.gitops.model import Change, Fence

CHANGE = Change("acme", "shop", "prod", "acme-shop-prod", {"service-shop.yaml": "kind: Service\n", "a.yaml": "a: 1\n"})
FOLDER = "apps/acme/shop/prod"
DEEP = "[" * 100_000  # more than a parser goes down
SEALED = "kind: Secret\nmetadata: {name: x}\nstringData:\n  A: ENC[AES256_GCM,data:x]\nsops: {mac: x}\n"


def named(**parts: object) -> Change:
    return replace(CHANGE, **parts)  # type: ignore[arg-type]


@pytest.mark.requirement("DP-Q16")
def test_a_deploy_becomes_one_folder_and_one_flux_kustomization() -> None:
    laid = lay_out(named(beside={"kilterapp.yaml": "kind: KilterApp\n"}), Flux(cluster="eu"))
    assert list(laid.files) == [
        f"{FOLDER}/a.yaml",
        f"{FOLDER}/kilter-receipt.json",
        f"{FOLDER}/kilterapp.yaml",
        f"{FOLDER}/kustomization.yaml",
        f"{FOLDER}/service-shop.yaml",
        "clusters/eu/envs/acme-shop-prod.yaml",
    ]
    assert laid.files[f"{FOLDER}/a.yaml"] == "a: 1\n"


@pytest.mark.requirement("DP-Q17")
def test_what_is_kept_beside_is_not_applied() -> None:
    laid = lay_out(named(beside={"kilterapp.yaml": "kind: KilterApp\n"}), Flux())
    listed = yaml.safe_load(laid.files[f"{FOLDER}/kustomization.yaml"])
    assert listed["resources"] == ["a.yaml", "service-shop.yaml"]


@pytest.mark.requirement("DP-Q16", "B7")
def test_flux_applies_an_env_as_its_own_account_into_its_own_namespace() -> None:
    laid = lay_out(CHANGE, Flux())
    found = yaml.safe_load(laid.files[laid.pointer])
    assert found["metadata"]["namespace"] == "flux-system"
    assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kilter-operator"
    assert found["spec"] == {
        "interval": "10m0s",
        "retryInterval": "30s",
        "timeout": "2m0s",
        "prune": True,
        "wait": False,
        "path": "./apps/acme/shop/prod",
        "sourceRef": {"kind": "GitRepository", "name": "kilter"},
        "serviceAccountName": "acme-shop-prod",
        "targetNamespace": "acme-shop-prod",
    }
    assert points_at(laid.files[laid.pointer].encode(), CHANGE)
    assert not points_at(laid.files[laid.pointer].encode(), named(app="other"))


@pytest.mark.requirement("DP-Q16")
def test_flux_opens_what_is_encrypted_where_it_has_a_key() -> None:
    laid = lay_out(CHANGE, Flux(decryption_secret="sops-age"))
    found = yaml.safe_load(laid.files[laid.pointer])
    assert found["spec"]["decryption"] == {"provider": "sops", "secretRef": {"name": "sops-age"}}


def test_the_receipt_holds_the_id_that_git_gives_each_file() -> None:
    laid = lay_out(CHANGE, Flux())
    found = parse_receipt(laid.files[laid.receipt].encode(), FOLDER)
    assert found == {path: blob_id(text) for path, text in laid.files.items() if path != laid.receipt}
    assert blob_id("a\n") == "78981922613b2afb6025042ff6bd878ac1994e85"  # printf 'a\n' | git hash-object --stdin


def test_a_removal_has_the_same_places_and_no_files() -> None:
    laid = lay_out(named(files=None), Flux())
    assert (laid.folder, laid.pointer, laid.files) == (FOLDER, "clusters/default/envs/acme-shop-prod.yaml", {})


@pytest.mark.requirement("C1", "DP-Q37")
@pytest.mark.parametrize("part", ["org", "app", "env", "namespace"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/a",
        "A",
        "a_b",
        "a.b",
        "-a",
        "a-",
        "1a\n",
        "a\n",
        "ä",
        "a\0",
        "a b",
        "a" * 64,
        ".git",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(part: str, name: str) -> None:
    with pytest.raises(BadInput):
        lay_out(named(**{part: name}), Flux())


@pytest.mark.requirement("DP-Q37")
@pytest.mark.parametrize("parts", [{"env": "a" * 33}, {"org": "a" * 41}, {"app": "a--b"}, {"org": "1a"}])
def test_the_grammar_of_names_is_that_of_the_platform(parts: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        lay_out(named(**parts), Flux())


@pytest.mark.parametrize(
    "name",
    ["", "a/b.yaml", "../a.yaml", "..", ".hidden", "a\nb", 'a"b', "A.yaml", "kustomization.yaml", RECEIPT, "a" * 300],
)
def test_a_file_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        lay_out(named(files={name: "a: 1\n"}), Flux())
    with pytest.raises(BadInput):
        lay_out(named(beside={name: "a: 1\n"}), Flux())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (named(files={}), "has no files"),
        (named(files={"a.yaml": "a: 1\n"}, beside={"a.yaml": "b: 1\n"}), "both applied and kept beside"),
        (named(files={"a.yaml": "\ud800"}), "is no text"),
        (named(files={"a.yaml": "x" * 1024 * 1024 + "x"}), "too large"),
        (named(files={f"a{n}.yaml": "x" * 1024 * 1024 for n in range(5)}), "too large"),
    ],
)
def test_files_that_are_none_or_too_many_are_refused(change: Change, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        lay_out(change, Flux())


@pytest.mark.requirement("SC-8", "F38")
@pytest.mark.parametrize(
    "text",
    [
        "kind: Secret\nmetadata: {name: x}\nstringData: {A: canary}\n",
        'kind: "\\u0053ecret"\ndata: {A: Y2FuYXJ5}\n',
        "{kind: Secret, data: {A: Y2FuYXJ5}}",
        "a: 1\n---\nkind: Secret\nstringData: {A: canary}\n",
        "kind: List\nitems:\n- kind: Secret\n  data: {A: Y2FuYXJ5}\n",
        "kind: Secret\nsops: {mac: x}\nstringData: {A: 'ENC[x]', B: canary}\n",
        "kind: Secret\nstringData: [\n",
    ],
)
@pytest.mark.parametrize("where", ["files", "beside"])
def test_a_secret_in_clear_is_refused_and_not_shown(where: str, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        lay_out(named(**{where: {"secret-x.yaml": text}}), Flux())
    assert "canary" not in f"{caught.value.what}{caught.value.hint}"


def test_a_secret_sealed_by_sops_and_one_without_values_are_taken() -> None:
    lay_out(named(files={"a.yaml": SEALED, "b.yaml": "kind: Secret\nmetadata: {name: x}\n"}), Flux())
    lay_out(named(files={"a.yaml": "kind: ConfigMap\ndata: {about: a Secret}\n"}), Flux())


@pytest.mark.requirement("DP-17")
def test_rendered_text_is_split_into_one_file_per_object_as_it_was_rendered() -> None:
    rendered = (
        "---\n# Source: x\nkind: Service\nmetadata: {name: shop}\n---\n---\n"
        "kind: HTTPRoute\nmetadata:\n  name: shop\n  note: |\n    ---\n    text\n"
    )
    found = split(rendered)
    assert list(found) == ["httproute-shop.yaml", "service-shop.yaml"]
    assert found["service-shop.yaml"].endswith("\n# Source: x\nkind: Service\nmetadata: {name: shop}\n")
    assert yaml.safe_load(found["httproute-shop.yaml"])["metadata"]["note"] == "---\ntext\n"


@pytest.mark.parametrize(
    "rendered",
    ["a: 1\n", "- a\n", "kind: X\nmetadata: {name: 1}\n", "a: [\n", "kind: X\nmetadata: x\n",
     "kind: ''\nmetadata: {name: x}\n", "kind: 1\nmetadata: {name: x}\n", "kind: X\nmetadata: {name: ''}\n"],
)  # fmt: skip
def test_a_rendered_document_that_is_no_object_is_refused(rendered: str) -> None:
    with pytest.raises(BadInput):
        split(rendered)


def test_two_objects_of_one_kind_and_name_are_refused() -> None:
    with pytest.raises(BadInput, match=r"service-a\.yaml"):
        split("kind: Service\nmetadata: {name: a}\n---\nkind: Service\nmetadata: {name: a}\n")


@pytest.mark.requirement("F26")
def test_a_leader_is_written_and_read_back() -> None:
    fence = Fence(7, "operator-abc")
    assert parse_leader(leader_text(fence).encode()) == fence


@pytest.mark.parametrize(
    "text",
    ["", "{}", "7", '{"number": "7", "holder": "x"}', '{"number": true, "holder": "x"}', "\xff",
     '{"number": 7, "holder": 7}', pytest.param(DEEP, id="deep")],
)  # fmt: skip
def test_a_leader_that_kilter_did_not_write_is_none(text: str) -> None:
    assert parse_leader(text.encode("latin-1")) is None


def test_a_claim_adds_what_an_empty_repository_lacks_and_leaves_what_is_there() -> None:
    fence = Fence(1, "a")
    assert [edit.path for edit in claim(fence, [], Flux())] == [LEADER, "README.md", "clusters/default/kilter.yaml"]
    assert [edit.path for edit in claim(fence, ["Readme.txt", "clusters/default/kilter.yaml"], Flux())] == [LEADER]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"files": 3}', b"\xff", b"{}", pytest.param(DEEP.encode(), id="deep")])
def test_a_receipt_that_cannot_be_read_claims_nothing(data: bytes) -> None:
    assert parse_receipt(data, FOLDER) == {}


@pytest.mark.requirement("DP-Q33")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a: [\n",
        b"\xff",
        b"a: 1\n",
        b"metadata: 1\n",
        b"metadata: {labels: x}\n",
        pytest.param(b"[" * 5000 + b"]" * 5000, id="deep"),
        pytest.param(DEEP.encode(), id="deeper"),
    ],
)
def test_a_pointer_that_cannot_be_read_is_nobodys(data: bytes) -> None:
    """Whoever may push could else end the operator, again and again, by one file."""
    laid = lay_out(CHANGE, Flux())
    assert points_at(laid.files[laid.pointer].encode(), CHANGE)
    assert not points_at(data, CHANGE)


def test_a_receipt_cannot_claim_what_lies_elsewhere() -> None:
    told = {
        "README.md": "1", "apps/acme/shop/dev/a.yaml": "2", f"{FOLDER}/../x.yaml": "3", f"{FOLDER}/sub/x.yaml": "4",
        ".kilter/leader": "5", f"{FOLDER}/a.yaml": "6", "clusters/eu/envs/x.yaml": "7", "clusters/eu/kilter.yaml": "8",
        f"{FOLDER}/.hidden": "9",
    }  # fmt: skip
    found = parse_receipt(json.dumps({"files": told}).encode(), FOLDER)
    assert found == {f"{FOLDER}/a.yaml": "6", "clusters/eu/envs/x.yaml": "7"}
