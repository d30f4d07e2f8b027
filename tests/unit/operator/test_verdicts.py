"""What is told of a step whose effects the cluster does not take, and whether it is tried again."""

import pytest
from unit.operator.acting import Cluster, Stage
from unit.operator.test_observe import target_of

from kilter.operator import effects
from kilter.operator.kinds import Object
from kilter.operator.kube import KubeError
from kilter.operator.steps.base import Decision, Done, Failed, Verdict, Wait
from kilter.operator.verdicts import carried_out, decided

QUOTA: Object = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "acme-shop-prod"}}
SAID = "the API server answered {0} No: not so"


def refused(code: int, verdict: Verdict) -> Verdict:
    class Refusing(Cluster):
        def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
            raise KubeError(code, "No", "not so")

    stage = Stage(cluster=Refusing())
    return carried_out(stage.world, target_of(stage), Decision(verdict, (effects.Apply(QUOTA),)), [])


@pytest.mark.requirement("DP-Q40")
@pytest.mark.parametrize("code", [400, 422])
def test_what_a_later_try_would_only_repeat_fails_the_deploy(code: int) -> None:
    assert refused(code, Done("")) == Failed("Refused", SAID.format(code))


@pytest.mark.requirement("DP-Q40", "O4")
def test_what_others_can_change_waits_and_says_also_what_would_help() -> None:
    assert refused(403, Done("")) == Wait("Refused", SAID.format(403), 15.0)
    helps = Wait("Pruning", "what helps", 10.0)
    assert refused(404, helps) == Wait("Refused", f"{SAID.format(404)}; what helps", 15.0)
    assert refused(500, helps) == Wait("ApiServerFailed", SAID.format(500), 30.0)


@pytest.mark.requirement("O3")
def test_where_nobody_foresaw_what_fails_the_log_says_where_it_was(caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: object) -> Decision:
        raise ZeroDivisionError

    stage = Stage()
    verdict = decided(fails, stage.world, target_of(stage)).verdict
    assert isinstance(verdict, Wait)
    assert verdict.reason == "Unforeseen"
    [record] = caplog.records
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)
