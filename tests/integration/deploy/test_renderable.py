"""What a platform would refuse to render is refused before anything is built, and nothing else."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from integration.deploy.test_deploy import ACCEPTED, INFO
from integration.deploy.test_target import ENVS, Platform

from kilter.errors import BadInput

WORKER = "processes: {worker: {command: [work]}}\n"


@pytest.mark.requirement("PP-71", "PP-Q27", "DP-Q37", "PP-51")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile: {security: 'off'}", "profile.security cannot be off"),
        ("profile: {network: 'off'}", "profile.network cannot be off"),
        ("profile: {routing: ingress}", "profile.routing: a shared cluster routes by its Gateway"),
        ("profile: {autoscale: {max: 2}}", "max is 2, below the 3 replicas that run at least"),
        ("profile: {autoscale: {cpu: 'off', memory: 'off'}}", "nothing is left to scale by"),
        ("profile: {network: {egress: ['db.example.com']}}", "'db.example.com' is no target"),
        (
            "profile: {envs: {prod: {resources: {requests: {memory: 1Gi}}}}}",
            "the memory request 1Gi is above the limit",
        ),
        (
            "processes: {cache: {command: [work]}}\nservices: {shop-cache: {type: redis}}",
            "would both be called shop-cache",
        ),
        ("profile: {security: {writable: [/etc/kilter/database]}}", "/etc/kilter/database is kilter's own place"),
        ("profile: {security: {writable: ['//etc//kilter/./database/x/']}}", "is kilter's own place in the container"),
        ("services: {redis: {values: {name: other}}}", "services.redis.values.name cannot be set"),
        ("processes: {a--b: {command: [work]}}", "processes.a--b cannot have this name on a platform"),
        ("services: {my--cache: {type: redis}}", "services.my--cache cannot have this name on a platform"),
        (f"processes: {{worker: {{command: [{', '.join(['x'] * 65)}]}}}}", "a platform does not take"),
        (f"env: {{{', '.join(f'A{n}: x' for n in range(257))}}}", "a platform does not take"),
    ],
)
def test_what_the_platform_would_refuse_after_the_push_is_refused_before_the_build(
    tmp_path: Path, text: str, said: str
) -> None:
    there = Platform(tmp_path, text=f"name: shop\n{text}\n", prod="protected")
    with pytest.raises(BadInput) as caught:
        there.deploy("prod", image="")
    assert said in " ".join((caught.value.what, caught.value.why, *caught.value.details))
    assert there.sent == []


@pytest.mark.requirement("PP-Q29")
@pytest.mark.parametrize(("env_class", "is_taken"), [("standard", False), ("ephemeral", True), ("", True)])
def test_what_is_right_for_the_class_of_an_environment_is_not_refused(
    tmp_path: Path, env_class: str, is_taken: bool
) -> None:
    """Of which class a new one is, the server alone knows."""
    text, classes = "name: shop\nprofile: {autoscale: {max: 1}}\n", {"alpha": env_class} if env_class else {}
    there = Platform(tmp_path, text=text, **classes)
    there.table[f"POST__{ENVS}/alpha/deploys"] = [(202, ACCEPTED)]
    with nullcontext() if is_taken else pytest.raises(BadInput, match="max is 1, below the 2 replicas"):
        there.deploy("alpha")
    assert len(there.sent) == is_taken


def test_a_new_environment_of_a_protected_name_is_judged_as_such(tmp_path: Path) -> None:
    there = Platform(
        tmp_path, info={**INFO, "protected_envs": ["prod"]}, text="name: shop\nprofile: {autoscale: {max: 2}}\n"
    )
    with pytest.raises(BadInput, match="below the 3 replicas"):
        there.deploy("prod")


def test_a_profile_that_uses_everything_is_taken(tmp_path: Path) -> None:
    text = """name: shop
env: {A: "$(B)", B: null}
services: {postgres: , cache: {type: redis, version: "8", storage: 2Gi}}
processes:
  worker: {command: [work], resources: {memory: 262144Ki}}
  api: {command: [api], port: 9000, public: true}
  nightly: {command: [tidy], schedule: "0 3 * * *"}
profile:
  probes: {readiness: {path: /ok, interval: 1h}, liveness: {type: tcp}}
  network: {mode: strict, egress: [cache, internet, "db.example.com:5432", 203.0.113.0/24]}
  monitoring: {}
  security: {writable: [/tmp, /etc/kilter, /etc/kilter/database2]}
"""
    there = Platform(tmp_path, text=text, prod="protected")
    there.deploy("prod")
    assert there.sent[0]["app"]["processes"].keys() == {"worker", "api", "nightly"}
