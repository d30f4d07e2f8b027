from typing import Any

import pytest
from unit.render.production.support import release, workload

from kilter.errors import BadInput
from kilter.project.model import Process, Profile, Resources
from kilter.project.model_profile import (
    Autoscale,
    Budget,
    Disruption,
    Monitoring,
    Network,
    Overlay,
    ScaleDown,
    Security,
)
from kilter.render.production.guardrails import guardrails


def web(env: str = "prod", **profile: Any) -> dict[str, Any]:
    return workload(release(env=env, profile=Profile(**profile)))


@pytest.mark.requirement("PP-Q29", "PP-Q27", "PP-Q33")
@pytest.mark.parametrize(
    ("env", "env_class", "pods", "memory"),
    [
        ("prod", "protected", 3, "512Mi"),
        ("live", "protected", 3, "512Mi"),
        ("staging", "standard", 2, "256Mi"),
        ("alpha", "standard", 2, "256Mi"),
        ("dev", "ephemeral", 1, "128Mi"),
        ("pr-7", "ephemeral", 1, "128Mi"),
        ("prod", "standard", 3, "512Mi"),
    ],
)
def test_an_environment_has_the_figures_of_its_name_or_its_class(
    env: str, env_class: str, pods: int, memory: str
) -> None:
    found = workload(release(env=env, env_class=env_class))
    assert found.get("replicas", found.get("autoscale", {}).get("min")) == pods
    assert ("autoscale" in found, "minAvailable" in found) == (pods > 1, pods > 1)
    assert found["resources"]["limits"]["memory"] == memory


@pytest.mark.requirement("PP-Q29")
@pytest.mark.parametrize(("env", "pods"), [("pr-7", 5), ("pr-71", 6), ("pr-9x", 4), ("x", 7)])
def test_an_exact_name_beats_the_longest_pattern_and_a_pattern_beats_the_class(env: str, pods: int) -> None:
    counts = {"pr-7": 5, "pr-*": 4, "pr-7*": 6, "staging": 7}
    envs = {name: Overlay(replicas=count) for name, count in counts.items()}
    found = workload(release(env=env, profile=Profile(envs=envs, autoscale="off")))
    assert found["replicas"] == pods


@pytest.mark.requirement("PP-69")
@pytest.mark.parametrize(("base", "guarded"), [("none", False), ("basic", False), ("production", True)])
def test_only_the_production_level_scales_and_guards_by_itself(base: Any, guarded: bool) -> None:
    found = web(base=base)
    assert ("autoscale" in found, "minAvailable" in found) == (guarded, guarded)
    assert web(base=base, autoscale=Autoscale())["autoscale"]["min"] == 3


@pytest.mark.requirement("PP-Q21", "PP-42")
@pytest.mark.parametrize(("asked", "pods", "kept"), [(1, 3, 1), (2, 3, 2), (9, 3, 2), (1, 1, 0)])
def test_a_budget_never_keeps_the_last_pod_from_being_drained(asked: int, pods: int, kept: int) -> None:
    envs = {"prod": Overlay(replicas=pods)}
    found = web(autoscale="off", disruption=Disruption(min_available=asked), envs=envs)
    assert found.get("minAvailable", 0) == kept


@pytest.mark.requirement("PP-42")
def test_a_process_of_several_pods_is_guarded_and_one_at_set_times_is_not() -> None:
    processes = {
        "many": Process(command=("x",), replicas=2),
        "one": Process(command=("x",)),
        "at": Process(command=("x",), schedule="@daily"),
    }
    given = release(processes=processes)
    assert [workload(given, at).get("minAvailable", 0) for at in (1, 2, 3)] == [1, 0, 0]


@pytest.mark.requirement("PP-36")
def test_the_autoscaler_has_the_figures_of_the_specification() -> None:
    assert web()["autoscale"] == {
        "min": 3,
        "max": 10,
        "targets": {"cpu": 70, "memory": 80},
        "up": {"pods": 2, "period": 60},
        "down": {"wait": 300, "pods": 1, "period": 60},
    }


@pytest.mark.requirement("PP-Q17", "PP-Q19")
def test_the_autoscaler_may_grow_at_kubernetes_own_pace_and_forget_memory() -> None:
    found = web(autoscale=Autoscale(up="default", memory="off", down=ScaleDown(wait="1h")))["autoscale"]
    assert "up" not in found
    assert found["targets"] == {"cpu": 70}
    assert found["down"]["wait"] == 3600


@pytest.mark.requirement("PP-Q27")
def test_a_lower_end_that_is_written_down_scales_a_single_pod_too() -> None:
    assert "autoscale" not in web("dev", autoscale=Autoscale())
    assert web("dev", autoscale=Autoscale(min=1))["autoscale"]["min"] == 1


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (Profile(autoscale=Autoscale(max=2)), "max is 2, below the 3 replicas"),
        (Profile(autoscale=Autoscale(cpu="off", memory="off")), "nothing is left to scale by"),
        (Profile(autoscale=Autoscale(down=ScaleDown(wait="soon"))), "autoscale.down.wait: 'soon' is not a duration"),
        (Profile(envs={"prod": Overlay(resources=Budget(requests=Resources(memory="1Gi")))}), "above the limit 512Mi"),
        (Profile(envs={"prod": Overlay(resources=Budget(limits=Resources(cpu="lots")))}), "'lots' is not a quantity"),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(profile: Profile, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        workload(release(profile=profile))


@pytest.mark.requirement("PP-71")
@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (Profile(security="off"), "profile.security cannot be off"),
        (Profile(network="off"), "profile.network cannot be off"),
        (Profile(network=Network(mode="off")), "profile.network cannot be off"),
    ],
)
def test_the_floors_of_a_shared_cluster_cannot_be_switched_off(profile: Profile, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        workload(release(profile=profile))
    assert "on a shared cluster" in caught.value.why


@pytest.mark.requirement("PP-28", "PP-69", "PP-71")
def test_the_floors_hold_at_every_level() -> None:
    found = guardrails(release(profile=Profile(base="none")))
    assert (found.security, found.network) == (Security(), Network())


def test_a_limit_of_the_apps_own_goes_before_the_tables_and_brings_its_request() -> None:
    found = workload(release(resources=Resources(memory="2Gi", cpu="100m")))["resources"]
    assert found == {"requests": {"cpu": "100m", "memory": "1024Mi"}, "limits": {"cpu": "100m", "memory": "2Gi"}}


def test_a_request_written_for_the_app_says_nothing_about_a_process_with_its_own_limit() -> None:
    profile = Profile(envs={"prod": Overlay(resources=Budget(requests=Resources(memory="400Mi")))})
    small = Process(command=("x",), resources=Resources(memory="64Mi"))
    given = release(profile=profile, processes={"small": small, "plain": Process(command=("x",))})
    assert [workload(given, at)["resources"]["requests"]["memory"] for at in (0, 1, 2)] == ["400Mi", "32Mi", "400Mi"]


@pytest.mark.requirement("PP-50", "DP-Q54")
def test_monitoring_is_known_only_when_it_is_set() -> None:
    assert guardrails(release()).monitoring == ""
    assert guardrails(release(profile=Profile(monitoring=Monitoring()))).monitoring == "monitoring"


def test_on_a_trial_platform_production_has_all_its_pods_and_next_to_no_claim_to_processors() -> None:
    found = guardrails(release(env="prod"), trial=True)
    assert (found.replicas, found.fewest, found.autoscale) == (3, 3, None)
    assert found.resources(None)["requests"] == {"cpu": "10m", "memory": "256Mi"}
    assert found.resources(None)["limits"] == guardrails(release(env="prod")).resources(None)["limits"]
    written = Profile(autoscale=Autoscale(min=4))
    assert guardrails(release(env="prod", profile=written), trial=True).fewest == 4
