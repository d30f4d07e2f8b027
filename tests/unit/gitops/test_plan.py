"""What has to be written: nothing when all is as wanted, never a foreign file, and every edit by others is told."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from kilter.gitops.flux import Flux
from kilter.gitops.layout import RECEIPT, Laid, blob_id, lay_out
from kilter.gitops.model import Change, Refused
from kilter.gitops.plan import Plan, Tree, drift, needed, plan
from kilter.tools.git import Edit, Entry

CHANGE = Change("acme", "shop", "prod", "acme-shop-prod", {"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"})
FOLDER = "apps/acme/shop/prod"
POINTER = "clusters/default/envs/acme-shop-prod.yaml"
FILES = {"README.md": "hello\n", "apps/acme/shop/dev/a.yaml": "a: 1\n"}  # of others


class Branch:
    """A branch in memory: texts by path."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)

    @property
    def tree(self) -> Tree:
        return Tree({path: Entry("100644", blob_id(text)) for path, text in self.files.items()})

    def plan(self, laid: Laid) -> Plan:
        tree, texts = self.tree, {blob_id(text): text.encode() for text in self.files.values()}
        return plan(laid, tree, {identifier: texts[identifier] for identifier in needed(laid, tree)})

    def apply(self, change: Change) -> Plan:
        found = self.plan(lay_out(change, Flux()))
        for edit in found.edits:
            if edit.text is None:
                del self.files[edit.path]
            else:
                self.files[edit.path] = edit.text
        return found

    def drift(self, folder: str) -> tuple[str, ...]:
        return drift(folder, self.tree, {blob_id(text): text.encode() for text in self.files.values()})


@pytest.fixture
def branch() -> Branch:
    made = Branch(FILES)
    made.apply(CHANGE)
    return made


def test_a_first_deploy_writes_all_its_files(branch: Branch) -> None:
    laid = lay_out(CHANGE, Flux())
    assert branch.files == FILES | dict(laid.files)


def test_the_same_deploy_again_writes_nothing(branch: Branch) -> None:
    assert branch.plan(lay_out(CHANGE, Flux())) == Plan((), (), ())


def test_a_file_that_a_deploy_has_no_more_is_deleted(branch: Branch) -> None:
    found = branch.apply(replace(CHANGE, files={"a.yaml": "a: 1\n"}))
    assert Edit(f"{FOLDER}/b.yaml", None) in found.edits
    assert (found.overwritten, found.foreign) == ((), ())


def test_a_removal_leaves_nothing_of_the_env_and_all_of_the_others(branch: Branch) -> None:
    found = branch.apply(replace(CHANGE, files=None))
    assert branch.files == FILES
    assert found.overwritten == ()
    assert branch.plan(lay_out(replace(CHANGE, files=None), Flux())) == Plan((), (), ())


@pytest.mark.requirement("F32")
@pytest.mark.parametrize("edited", ["a.yaml", "kustomization.yaml"])
def test_an_edit_by_others_is_told_and_gives_way(branch: Branch, edited: str) -> None:
    branch.files[f"{FOLDER}/{edited}"] = "mine\n"
    assert branch.drift(FOLDER) == (f"{FOLDER}/{edited}",)
    found = branch.apply(CHANGE)
    assert found.overwritten == (f"{FOLDER}/{edited}",)
    assert branch.drift(FOLDER) == ()


def test_a_deletion_by_others_is_told_and_undone(branch: Branch) -> None:
    del branch.files[f"{FOLDER}/a.yaml"]
    assert branch.drift(FOLDER) == (f"{FOLDER}/a.yaml",)
    assert branch.apply(CHANGE).overwritten == (f"{FOLDER}/a.yaml",)
    assert branch.files[f"{FOLDER}/a.yaml"] == "a: 1\n"


def test_a_deletion_by_others_of_what_a_deploy_has_no_more_is_not_told(branch: Branch) -> None:
    del branch.files[f"{FOLDER}/b.yaml"]
    assert branch.apply(replace(CHANGE, files={"a.yaml": "a: 1\n"})).overwritten == ()


@pytest.mark.requirement("F32")
def test_an_edit_by_others_of_what_a_deploy_has_no_more_is_told(branch: Branch) -> None:
    branch.files[f"{FOLDER}/b.yaml"] = "mine\n"
    assert branch.apply(replace(CHANGE, files={"a.yaml": "a: 1\n"})).overwritten == (f"{FOLDER}/b.yaml",)


def test_a_file_of_others_that_a_deploy_writes_over_is_told(branch: Branch) -> None:
    branch.files[f"{FOLDER}/c.yaml"] = "mine\n"
    found = branch.apply(replace(CHANGE, files={"a.yaml": "a: 1\n", "c.yaml": "c: 1\n"}))
    assert (found.overwritten, found.foreign) == ((f"{FOLDER}/c.yaml",), ())
    assert branch.files[f"{FOLDER}/c.yaml"] == "c: 1\n"


def test_an_edit_that_says_what_is_wanted_is_no_overwriting(branch: Branch) -> None:
    branch.files[f"{FOLDER}/a.yaml"] = "a: 2\n"
    assert branch.apply(replace(CHANGE, files={"a.yaml": "a: 2\n", "b.yaml": "b: 1\n"})).overwritten == ()


@pytest.mark.parametrize("name", ["mine.yaml", "sub/deep/mine.yaml"])
def test_a_file_of_others_in_the_folder_is_told_and_left_alone(branch: Branch, name: str) -> None:
    branch.files[f"{FOLDER}/{name}"] = "mine\n"
    assert branch.drift(FOLDER) == (f"{FOLDER}/{name}",)
    assert branch.apply(replace(CHANGE, files={"a.yaml": "a: 3\n"})).foreign == (f"{FOLDER}/{name}",)
    assert branch.apply(replace(CHANGE, files=None)).foreign == (f"{FOLDER}/{name}",)
    assert branch.files == FILES | {f"{FOLDER}/{name}": "mine\n"}


def test_without_its_receipt_an_env_can_still_be_deployed_and_removed(branch: Branch) -> None:
    del branch.files[f"{FOLDER}/{RECEIPT}"]
    again = Branch(branch.files)
    assert again.apply(CHANGE).overwritten == ()
    assert again.files == FILES | dict(lay_out(CHANGE, Flux()).files)
    found = branch.apply(replace(CHANGE, files=None))
    assert POINTER not in branch.files  # without it, Flux ends the env
    assert found.foreign == tuple(f"{FOLDER}/{name}" for name in ("a.yaml", "b.yaml", "kustomization.yaml"))


def test_a_receipt_cannot_make_kilter_delete_the_files_of_another_env(branch: Branch) -> None:
    branch.files[f"{FOLDER}/{RECEIPT}"] = '{"files": {"README.md": "1", "clusters/default/envs/other.yaml": "2"}}'
    branch.files["clusters/default/envs/other.yaml"] = "theirs\n"
    branch.apply(replace(CHANGE, files=None))
    assert branch.files["README.md"] == "hello\n"
    assert branch.files["clusters/default/envs/other.yaml"] == "theirs\n"


@pytest.mark.requirement("DP-Q33")
def test_a_namespace_that_another_env_holds_is_refused(branch: Branch) -> None:
    other = replace(CHANGE, org="acme-shop", app="prod", env="x")
    with pytest.raises(Refused, match="belongs to another env"):
        branch.apply(other)
    branch.files[POINTER] = "kind: ConfigMap\n"
    with pytest.raises(Refused, match="belongs to another env"):
        branch.apply(other)


@pytest.mark.parametrize(
    "path",
    ["apps", "apps/acme", "apps/acme/shop", FOLDER, f"{FOLDER}/a.yaml/x", f"{FOLDER}/a.yaml/x/y", "clusters",
     "clusters/default", "clusters/default/envs", f"{POINTER}/x"],
)  # fmt: skip
def test_a_foreign_file_that_stands_in_the_way_is_not_replaced(path: str) -> None:
    branch = Branch({path: "theirs\n"})
    with pytest.raises(Refused, match="stands in the way"):
        branch.apply(CHANGE)


def test_a_link_in_the_place_of_a_file_is_replaced_by_the_file(branch: Branch) -> None:
    laid = lay_out(CHANGE, Flux())
    entries = {path: Entry("100644", blob_id(text)) for path, text in branch.files.items()}
    entries[f"{FOLDER}/a.yaml"] = Entry("120000", blob_id("a: 1\n"))
    receipt = laid.files[laid.receipt]
    found = plan(laid, Tree(entries), {blob_id(receipt): receipt.encode()})
    assert found.edits == (Edit(f"{FOLDER}/a.yaml", "a: 1\n"),)
    assert found.overwritten == (f"{FOLDER}/a.yaml",)


def test_a_tree_follows_the_branch_and_names_the_folders_that_still_have_files() -> None:
    one, two = Entry("100644", "1" * 40), Entry("100644", "2" * 40)
    tree = Tree({"README.md": one, POINTER: one, f"{POINTER}/x": one, f"{FOLDER}/a.yaml": one})
    tree.update({f"{FOLDER}/a.yaml": None, "apps/acme/shop/dev/b.yaml": two, "README.md": two, "gone.md": None})
    assert (tree["README.md"], tree[f"{FOLDER}/a.yaml"], len(tree)) == (two, None, 4)
    assert (tree.folders(), tree.inside(FOLDER)) == (["apps/acme/shop/dev"], set())
    tree.write([Edit("apps/acme/shop/dev/b.yaml", None), Edit(f"{FOLDER}/c/d.yaml", "d: 1\n")])
    assert (tree.folders(), tree.inside(FOLDER)) == ([FOLDER], {f"{FOLDER}/c/d.yaml"})
    assert tree[f"{FOLDER}/c/d.yaml"] == Entry("100644", blob_id("d: 1\n"))
