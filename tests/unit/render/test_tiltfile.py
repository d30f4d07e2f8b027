import ast
from pathlib import Path

import pytest
from unit.render.support import planned, tree

from kilter.render.tiltfile import selected

DEV = """FROM python:3.13-slim AS dev
WORKDIR /app
COPY req.txt .
RUN pip install -r req.txt
COPY app app
EXPOSE 8000
CMD serve
"""
CHART = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec: {template: {metadata: {labels: {a: b}}}}
---
apiVersion: v1
kind: Service
metadata: {name: postgres}
spec: {selector: {a: b}}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {externalName: example.org}
"""


def calls(text: str) -> dict[str, ast.Call]:
    """Read a part as Python, whose grammar these lines share with Starlark."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {node.func.id: node for node in reversed(found) if isinstance(node.func, ast.Name)}


def keyword(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(each.value) for each in call.keywords if each.arg == name), None)


@pytest.mark.requirement("NS-13", "NS-Q10")
def test_tilt_refuses_every_context_but_the_projects(tmp_path: Path) -> None:
    text = tree(planned(tmp_path, "name: shop\n"))["Tiltfile"]
    assert 'allow_k8s_contexts("kind-kilter-shop")\nif k8s_context() != "kind-kilter-shop":\n    fail(' in text


def test_tilt_tells_nobody_and_prunes_nothing(tmp_path: Path) -> None:
    found = calls(tree(planned(tmp_path, "name: shop\n"))["Tiltfile"])
    assert keyword(found["analytics_settings"], "enable") is False
    assert keyword(found["version_settings"], "check_updates") is False
    assert keyword(found["docker_prune_settings"], "disable") is True
    assert keyword(found["secret_settings"], "disable_scrub") is False


@pytest.mark.requirement("CT-14")
def test_what_no_step_of_the_build_reads_is_synced(tmp_path: Path) -> None:
    part = tree(planned(tmp_path, "name: shop\n", DEV))["tilt/shop.tiltfile"]
    found = calls(part)
    assert [ast.literal_eval(each) for each in found["sync"].args] == [f"{tmp_path}/app", "/app/app"]
    assert [ast.literal_eval(each) for each in found["fall_back_on"].args] == [[f"{tmp_path}/req.txt"]]
    assert keyword(found["docker_build"], "target") == "dev"
    assert keyword(found["docker_build"], "only") == ["app", "req.txt"]


@pytest.mark.requirement("NS-Q26")
def test_env_files_never_reach_an_image_but_their_examples_do(tmp_path: Path) -> None:
    ignored = keyword(calls(tree(planned(tmp_path, "name: shop\n"))["tilt/shop.tiltfile"])["docker_build"], "ignore")
    assert isinstance(ignored, list)
    assert ignored.index("**/.env.*") < ignored.index("!**/.env.example")
    assert {"**/.git", "**/.kilter", "**/.venv", "**/node_modules", "**/.env"} <= set(ignored)


def test_a_component_with_an_image_is_not_built(tmp_path: Path) -> None:
    part = tree(planned(tmp_path, "name: shop\nimage: nginx:1\nport: 80\n", None))["tilt/shop.tiltfile"]
    assert "docker_build" not in part


def test_two_processes_of_one_image_build_it_once(tmp_path: Path) -> None:
    text = "name: shop\nprocesses: {a: {command: [a]}, b: {command: [b]}}\n"
    files = tree(planned(tmp_path, text, DEV))
    assert "".join(files.values()).count("docker_build(") == 2
    assert files["tilt/shop.tiltfile"].count('"shop/shop.rebuilt"') == 1


@pytest.mark.requirement("CT-Q17")
def test_nothing_waits_in_tilt_for_more_than_the_namespace_so_that_images_are_built_at_once(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, "name: shop\nservices: [postgres]\n"), postgres=CHART)
    for name in ("shop", "postgres"):
        resource = calls(files[f"tilt/{name}.tiltfile"])["k8s_resource"]
        assert keyword(resource, "resource_deps") == ["kilter.namespace"]


def test_only_what_tilt_would_not_find_by_itself_is_assigned_to_a_workload(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, "name: shop\nservices: [postgres]\n"), postgres=CHART)
    resource = calls(files["tilt/postgres.tiltfile"])["k8s_resource"]
    assert keyword(resource, "objects") == ["outside:service:shop-dev"]


def test_a_colon_in_an_objects_name_does_not_split_its_selector() -> None:
    assert selected({"kind": "ClusterRole", "metadata": {"name": "system:x"}}) == "system\\:x:clusterrole"


@pytest.mark.requirement("CT-Q32")
def test_the_tiltfile_itself_names_nothing_but_its_parts(tmp_path: Path) -> None:
    text = tree(planned(tmp_path, "name: shop\nservices: [postgres]\n"))["Tiltfile"]
    includes = [line for line in text.splitlines() if "postgres" in line or "/shop." in line]
    assert includes == ['include("tilt/postgres.tiltfile")', 'include("tilt/shop.tiltfile")']


@pytest.mark.parametrize("directory", ['say "hi"', "back\\slash", "line\nbreak", "ünïcode", "$(touch x)", "it's"])
def test_a_strange_directory_stays_one_string(tmp_path: Path, directory: str) -> None:
    root = tmp_path / directory
    root.mkdir()
    part = tree(planned(root, "name: shop\n", DEV))["tilt/shop.tiltfile"]
    assert ast.literal_eval(calls(part)["docker_build"].args[1]) == str(root)


@pytest.mark.requirement("LC-Q29")
def test_a_dockerfile_that_is_a_link_is_watched_where_it_leads(tmp_path: Path) -> None:
    """Tilt watches the link alone, which stays as it is when the file is saved."""
    root = tmp_path / "shop"
    (root / "docker").mkdir(parents=True)
    (root / "docker/web.Dockerfile").write_text(DEV)
    (root / "Dockerfile").symlink_to("docker/web.Dockerfile")
    part = calls(tree(planned(root, "name: shop\n"))["tilt/shop.tiltfile"])
    assert keyword(part["docker_build"], "dockerfile") == str(root / "Dockerfile")
    assert ast.literal_eval(part["watch_file"].args[0]) == str(root / "docker/web.Dockerfile")
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    (root / "Dockerfile").unlink()
    assert "watch_file" not in calls(tree(planned(linked, "name: shop\n", DEV))["tilt/shop.tiltfile"])


def test_no_part_runs_a_command_on_the_users_machine(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, "name: shop\nservices: [postgres]\n", DEV), postgres=CHART)
    assert not [name for name, text in files.items() if {"local", "local_resource"} & set(_names(name, text))]


def _names(name: str, text: str) -> list[str]:
    return list(calls(text)) if name.endswith("iltfile") else []
