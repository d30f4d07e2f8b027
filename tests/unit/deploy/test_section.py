from pathlib import Path

import pytest

from kilter.api.kilterapp_parts import Resources
from kilter.deploy.names import project_name
from kilter.deploy.section import app_section, warnings, without_effect
from kilter.errors import BadInput
from kilter.project.load import Project, load


def project(folder: Path, text: str, dockerfile: str = "FROM scratch\nEXPOSE 8000\n") -> Project:
    (folder / "kilter.yaml").write_text(text)
    (folder / "Dockerfile").write_text(dockerfile)
    return load(folder / "kilter.yaml")


STAGES = "FROM node:22 AS base\nFROM base AS dev\nEXPOSE 5173\nFROM nginx:1 AS release\n"


def test_the_port_is_that_of_the_stage_which_a_deploy_builds(tmp_path: Path) -> None:
    found = project(tmp_path, "name: shop\n", STAGES + "EXPOSE 8080\n")
    assert app_section(found, "prod").port == 8080
    assert found.components()["shop"].port == 5173


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("", "the stage release of its Dockerfile has no EXPOSE with the number of a port"),
        ("EXPOSE 80 443\n", "the stage release of its Dockerfile exposes 80, 443"),
    ],
)
def test_a_release_stage_that_does_not_tell_the_one_port_is_refused(tmp_path: Path, lines: str, why: str) -> None:
    found = project(tmp_path, "name: shop\n", STAGES + lines)
    with pytest.raises(BadInput) as refused:
        app_section(found, "prod")
    assert f"the port of shop is not known ({why})" in str(refused.value.details)
    assert app_section(project(tmp_path, "name: shop\nport: 80\n", STAGES + lines), "prod").port == 80


@pytest.mark.requirement("DP-58", "DP-60", "DP-61")
def test_services_and_processes_go_as_kilter_yaml_has_them(tmp_path: Path) -> None:
    text = "name: shop\nenv: {A: '1', DATABASE_URL: null}\nservices: {db: {type: postgres}, redis: }\n"
    found = app_section(project(tmp_path, text + "processes: {worker: {command: [work]}}\n"), "prod")
    assert (found.port, found.vars, found.public) == (8000, {"A": "1"}, True)
    assert found.withheld == ("DATABASE_URL",)
    assert [(one.name, one.kind) for one in found.services] == [("db", "postgres"), ("redis", "redis")]
    assert (found.processes["worker"].command, found.processes["worker"].port) == (("work",), 0)


def test_settings_of_a_service_go_along(tmp_path: Path) -> None:
    text = """name: shop
services:
  cache: {type: redis, version: "7", port: 6380, env: {A: b}, resources: {memory: 1Gi}, storage: 2Gi,
    values: {runAsUser: 1}}
"""
    [found] = app_section(project(tmp_path, text), "prod").services
    assert (found.name, found.kind, found.version, found.port) == ("cache", "redis", "7", 6380)
    assert (found.vars, found.storage, found.values) == ({"A": "b"}, "2Gi", {"runAsUser": 1})
    assert found.resources == Resources(memory="1Gi")


def test_a_process_takes_its_variables_and_those_it_must_not_have(tmp_path: Path) -> None:
    text = """name: shop
processes: {worker: {command: [work], env: {A: '1', B: null}}}
environments: {dev: {processes: {worker: {env: {A: null}}}}}
"""
    found = project(tmp_path, text)
    prod, dev = (app_section(found, env).processes["worker"] for env in ("prod", "dev"))
    assert (prod.vars, prod.withheld) == ({"A": "1"}, ("B",))
    assert (dev.vars, dev.withheld) == ({}, ("A", "B"))


@pytest.mark.requirement("DP-Q38")
def test_the_closest_environment_changes_what_it_names(tmp_path: Path) -> None:
    text = """name: shop
env: {A: '1', B: '1'}
processes: {worker: {command: [work], replicas: 2}}
environments:
  "*": {env: {A: star}}
  "pr-*": {public: false, env: {A: pattern}, processes: {worker: {replicas: 0}}}
  pr-7: {env: {A: name}}
"""
    found = project(tmp_path, text)
    assert app_section(found, "pr-7").vars == {"A": "name", "B": "1"}
    assert app_section(found, "pr-7").public
    assert not app_section(found, "pr-8").public
    assert app_section(found, "pr-8").processes["worker"].replicas == 0
    assert app_section(found, "dev").vars["A"] == "star"


@pytest.mark.requirement("DP-Q38")
@pytest.mark.parametrize(
    ("top", "over", "expected"),
    [
        ("{network: strict}", "{autoscale: 'off'}", {"network": "strict", "autoscale": "off"}),
        ("{network: strict, base: basic}", "{network: standard}", {"network": "standard", "base": "basic"}),
        ("{base: basic}", "{base: production}", {"base": "production"}),
        ("basic", "{network: strict}", {"base": "basic", "network": "strict"}),
        ("{network: strict}", "none", {"base": "none"}),
        (
            "{security: {uid: 1000, readOnlyRoot: false}}",
            "{security: {uid: 2000}}",
            {"security": {"uid": 2000, "readOnlyRoot": False, "writable": ("/tmp",)}},
        ),
        ("{probes: {liveness: {path: /a}}}", "{probes: 'off'}", {"probes": "off"}),
        ("{network: strict}", "{}", {"network": "strict"}),
        (
            "{network: strict}",
            '{network: {egress: ["db.example:5432"]}}',
            {"network": {"mode": "strict", "egress": ("db.example:5432",)}},
        ),
        ("{network: {mode: strict, egress: [internet]}}", "{network: standard}", {"network": "standard"}),
    ],
)
def test_the_profile_of_an_environment_merges_by_key(
    top: str, over: str, expected: dict[str, object], tmp_path: Path
) -> None:
    found = project(tmp_path, f"name: shop\nprofile: {top}\nenvironments: {{dev: {{profile: {over}}}}}\n")
    alone = project(tmp_path, "name: shop\nprofile: {}\n")
    profile = app_section(found, "dev").profile
    assert {key: value for key, value in profile.items() if key in expected} == expected
    if over != "none":
        assert profile.keys() == expected.keys() | app_section(alone, "dev").profile.keys()


@pytest.mark.requirement("DP-Q38")
@pytest.mark.parametrize(
    ("top", "over", "why"),
    [
        ("{autoscale: {max: 3}}", "{autoscale: {min: 5}}", "autoscale.min: min is 5, above max, which is 3"),
        ("production", "{autoscale: {min: 5, max: 3}}", "autoscale.min: min is 5, above max, which is 3"),
        ("{}", "{probes: {liveness: {type: exec}}}", "probes.liveness: `command` belongs to a check of type exec"),
        (
            "{probes: {startup: {type: exec, command: [ok]}}}",
            "{probes: {startup: {type: http}}}",
            "probes.startup: `command` belongs to a check of type exec",
        ),
    ],
)
def test_a_merged_profile_that_the_file_could_not_have_is_refused(
    top: str, over: str, why: str, tmp_path: Path
) -> None:
    found = project(tmp_path, f"name: shop\nprofile: {top}\nenvironments: {{'dev*': {{profile: {over}}}}}\n")
    with pytest.raises(BadInput, match=r"environments\.dev\*\.profile") as caught:
        app_section(found, "dev-1")
    assert caught.value.why.startswith(why)
    assert "`profile` at the top level" in caught.value.hint
    app_section(found, "prod")


@pytest.mark.requirement("DP-Q38")
def test_a_profile_is_checked_once_it_is_merged_and_not_before(tmp_path: Path) -> None:
    text = """name: shop
profile: {probes: {liveness: {type: exec, command: [ok]}}, autoscale: {max: 20}}
environments: {dev: {profile: {probes: {liveness: {type: exec, timeout: 3s}}, autoscale: {min: 15}}}}
"""
    profile = app_section(project(tmp_path, text), "dev").profile
    assert profile["probes"]["liveness"]["command"] == ("ok",)
    assert (profile["autoscale"]["min"], profile["autoscale"]["max"]) == (15, 20)


@pytest.mark.requirement("DP-Q38")
def test_limits_of_an_environment_merge_by_key(tmp_path: Path) -> None:
    text = """name: shop
components: {web: {path: ., resources: {cpu: 500m, memory: 256Mi}}}
processes: {worker: {command: [work], resources: {cpu: 100m, memory: 64Mi}}}
environments: {dev: {resources: {cpu: "1"}, processes: {worker: {resources: {memory: 1Gi}}}}}
"""
    found = app_section(project(tmp_path, text), "dev")
    assert found.resources == Resources(cpu="1", memory="256Mi")
    assert found.processes["worker"].resources == Resources(cpu="100m", memory="1Gi")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("secrets: {a: .env}\n", "secrets"),
        ("appSecrets: [a]\n", "appSecrets"),
        ("allowFrom: [acme/web]\n", "allowFrom"),
        ("migration: {tool: sql}\n", "migration"),
        ("seed: [seed.sql]\n", "seed"),
        ("environments: {prod: {seed: [seed.sql]}}\n", "seed"),
        ("deploy: {patches: [{patch: 'kind: Service'}]}\n", "deploy.patches"),
        ("deploy: {patches: [{path: not/there.yaml}]}\n", "deploy.patches"),
        ("services: {redis: {image: 'mine:1'}}\n", "services.redis has an image"),
        ("services: {redis: {values: {image: 'mine:1'}}}\n", "services.redis.values.image cannot be set"),
        (
            "services: {redis: {values: {maxMemory: 1}}}\n",
            "services.redis.values.maxMemory does not fit the chart of redis",
        ),
        ("services: {c: {type: redis, values: {env: {A: 1}}}}\n", "services.c.values.env.A does not fit"),
        ("processes: {w: {command: [x], image: 'mine:1'}}\n", "processes.w has an image"),
        (
            "processes: {w: {command: [x]}}\nenvironments: {prod: {processes: {w: {image: 'a:1'}}}}\n",
            "processes.w has an image",
        ),
        ("components:\n  web: {port: 1, image: 'x:1'}\n  api: {port: 2, image: 'x:1'}\n", "2 components"),
        ("port: 0\n", "no port"),
    ],
)
def test_what_cannot_be_deployed_yet_is_refused_and_never_ignored(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        app_section(project(tmp_path, "name: shop\n" + text), "prod")


@pytest.mark.requirement("DP-6", "DP-Q3", "DP-Q37")
def test_flag_environment_and_file_are_asked_in_this_order() -> None:
    env = {"KILTER_PROJECT": "b/b"}
    assert str(project_name("a/a", env, "c/c")) == "a/a"
    assert str(project_name("", env, "c/c")) == "b/b"
    assert str(project_name("", {}, "c/c")) == "c/c"


@pytest.mark.parametrize("text", ["", "shop", "a/b/c", "A/b", "a/b--c", "a/-b", f"a/{'b' * 41}", "a/b_c"])
def test_a_name_that_fits_nowhere_is_refused_before_anything_is_built(text: str) -> None:
    with pytest.raises(BadInput):
        project_name(text, {}, None)


@pytest.mark.requirement("DP-Q20")
def test_settings_that_a_database_of_the_platform_cannot_have_are_named(tmp_path: Path) -> None:
    text = """name: shop
services:
  db: {type: postgres, version: "18", port: 5433, env: {A: b}, resources: {memory: 1Gi}, storage: 2Gi, values: {x: 1}}
  cache: {type: redis, port: 6380, values: {x: 1}}
"""
    [line] = without_effect(project(tmp_path, text))
    assert line.startswith("services.db: without effect on a platform")
    assert line.endswith(": port, env, resources, storage, values")
    assert without_effect(project(tmp_path, "name: shop\nservices: [postgres]\n")) == []


@pytest.mark.requirement("DP-Q20")
def test_a_second_database_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    """The operator refused it, after the build and the push."""
    text = "name: shop\nservices: {postgres: , orders: {type: postgres}, redis: }\n"
    with pytest.raises(BadInput, match="2 databases: postgres, orders") as refused:
        app_section(project(tmp_path, text), "dev")
    assert "one database of the platform, and postgres would be it" in refused.value.why


@pytest.mark.requirement("Y14")
def test_a_deploy_warns_of_likely_secrets_as_up_does_and_shows_none(tmp_path: Path) -> None:
    text = "name: shop\nservices: {postgres: {port: 5433}}\nenv:\n  SMTP_PASSWORD: hunter2\n  SMTP_HOST: mail.example\n"
    told = warnings(project(tmp_path, text))
    assert [line.split(": ")[0] for line in told] == ["services.postgres", "kilter.yaml:4:18 env.SMTP_PASSWORD"]
    assert "hunter2" not in "".join(told)
