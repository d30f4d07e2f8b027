"""A release with an autoscaler: Ready with as many pods as that keeps at least, not with the first of them."""

from typing import Any

import msgspec
import pytest
from unit.operator.acting import NAME, Stage, given

from kilter.api.kilterapp import Spec
from kilter.operator.releases import fewest
from kilter.operator.settings import Settings
from kilter.operator.store import Entry
from kilter.operator.views import Deployment, DeploymentSpec, DeploymentStatus

PRODUCTION = {"profile": {"base": "production"}}


def wanting(stage: Stage, pods: int) -> None:
    """Have so many pods of the app wanted, all of them ready."""
    found = stage.world.stores.deployments.get(NAME, "shop")
    assert isinstance(found, Deployment)
    counted = ("replicas", "updated_replicas", "ready_replicas", "available_replicas")
    counts: dict[str, Any] = dict.fromkeys(counted, pods)
    status = DeploymentStatus(observed_generation=1, **counts)
    changed = msgspec.structs.replace(found, spec=DeploymentSpec(replicas=pods), status=status)
    stage.cluster.version += 1
    stage.world.stores.deployments.put_own((NAME, "shop"), Entry(stage.cluster.version, changed))


@pytest.mark.requirement("PP-37")
def test_a_first_release_is_ready_once_the_autoscaler_has_asked_for_its_pods() -> None:
    stage = Stage(given(**PRODUCTION))
    stage.run()
    wanting(stage, 1)
    stage.look(times=6)
    early = stage.status
    assert early.phase == "RollingOut"
    assert stage.said("Ready").message == "1 pod is wanted so far, and the autoscaler has yet to ask for 3"
    wanting(stage, 3)
    stage.look(times=2)
    assert stage.status.phase == "Ready"
    wanting(stage, 2)
    stage.look(times=2)
    assert stage.status.phase == "Ready", "how many there are later is the autoscaler's, or people's"


@pytest.mark.parametrize("profile", [{"base": "none"}, {"base": "production", "autoscale": "off"}])
def test_a_release_without_an_autoscaler_says_itself_how_many_pods_it_has(profile: dict[str, str]) -> None:
    stage = Stage(given(profile=profile))
    stage.run()
    wanting(stage, 1)
    stage.look(times=6)
    assert stage.status.phase == "Ready"


def test_a_trial_platform_has_no_autoscaler_to_wait_for() -> None:
    spec = msgspec.convert(given(**PRODUCTION)["spec"], Spec)
    assert fewest(spec, Settings()) == 3
    assert fewest(spec, Settings(trial=True)) == 0
