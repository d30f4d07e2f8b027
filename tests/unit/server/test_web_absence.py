"""Environments whose object somebody deletes in the cluster, over HTTP, with a cluster in memory."""

import asyncio
from typing import Any

import pytest
from unit.server.orders import MINUTE, SHOP, reported
from unit.server.test_web_deploys import DEV, NAME, deploy, dispatch, follow, look, names, report, stream
from unit.server.web import DEPLOY, Web

from kilter.api.kilterapp import Spec
from kilter.server.dispatch import Dispatcher
from kilter.server.follow import Follower
from kilter.server.hub import IMAGES
from kilter.server.refusals import Unavailable
from kilter.server.seams import Gone, Listed
from kilter.server.store import deploys, progress


def relist(web: Web) -> None:
    """Begin to watch anew."""
    objects = web.cluster.objects
    web.runner.run(Follower(web.services).record(Listed(tuple(objects.values()), frozenset(objects))))


def lose(web: Web) -> None:
    """Lose the object while nobody watches."""
    del web.cluster.objects[NAME]
    relist(web)


def end(web: Web) -> None:
    """Delete the environment."""
    assert web("DELETE", DEV, web.token("maintainer"), json={"confirm": "acme/shop/dev"}).status == 202
    dispatch(web)
    web.cluster.vanish(NAME)
    follow(web)


@pytest.mark.requirement("F37")
def test_a_deploy_ends_when_its_object_is_deleted_and_the_next_one_makes_it_anew(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    report(web, "Provisioning")
    web.cluster.vanish(NAME)
    follow(web)
    ended = look(web, accepted)
    assert ended.failure is not None
    assert (ended.state, ended.failure.reason) == ("failed", "Deleted")
    assert names(stream(web, accepted))[-1] == "failed"
    assert web.get(DEV, web.token("viewer")).status == 404
    assert deploy(web).queue.position == 0
    assert dispatch(web)
    assert NAME in web.cluster.objects


@pytest.mark.requirement("F37")
def test_an_environment_deleted_in_the_cluster_is_gone_and_what_it_left_is_looked_at(web: Web) -> None:
    deploy(web)
    dispatch(web)
    report(web, "Ready")
    with web.services.hub.listen(IMAGES) as listener:
        web.cluster.vanish(NAME)
        follow(web)
        assert web.runner.run(listener.wait(0.01))
    assert web.get(DEV, web.token("viewer")).status == 404


def test_the_first_word_of_the_cluster_sets_off_what_waits_for_it(web: Web) -> None:
    """Images are removed only once it is known what the cluster runs (F40); that may say nothing new."""
    with web.services.hub.listen(IMAGES) as listener:
        relist(web)
        assert web.runner.run(listener.wait(0.01))


def test_late_word_of_an_object_that_is_there_again_changes_nothing(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    web.cluster.changes.put_nowait(Gone(NAME))
    follow(web)
    assert look(web, accepted).state == "running"
    web.runner.run(Follower(web.services).record(Listed((), frozenset())))
    assert look(web, accepted).state == "running"


@pytest.mark.requirement("F37", "F40")
def test_an_environment_whose_object_is_lost_says_so_and_is_deployed_to_or_deleted(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    lose(web)
    assert look(web, accepted).state == "failed"
    found = web.get(DEV, web.token("viewer")).json
    assert (found["phase"], found["failure"]["reason"]) == ("Failed", "Missing")
    again = deploy(web)
    assert dispatch(web)
    report(web, "Ready")
    assert look(web, again).state == "done"
    lose(web)
    token = web.token("maintainer")
    deletion = web("DELETE", DEV, token, json={"confirm": "acme/shop/dev"}).json
    with web.services.hub.listen(IMAGES) as listener:
        dispatch(web)
        assert web.runner.run(listener.wait(0.01))
    assert web.get(f"/v1/deploys/{deletion['deploy_id']}", token).json["state"] == "done"
    assert web.get(DEV, token).status == 404


@pytest.mark.requirement("F28")
def test_a_replica_that_slept_over_its_claim_hands_nothing_over(web: Web) -> None:
    deploy(web)
    run = web.store.run

    async def slept(work: Any, *args: Any, **more: Any) -> Any:
        if work is progress.held:
            web.store.run = run  # type: ignore[method-assign]
            web.now += MINUTE
            await Dispatcher(web.services).step()
            args = (args[0], web.now)
        return await run(work, *args, **more)

    web.store.run = slept  # type: ignore[method-assign]
    assert dispatch(web)
    assert len(web.cluster.applied) == 1


@pytest.mark.requirement("F28", "F40")
def test_an_object_made_anew_after_its_environment_was_deleted_is_taken_up_again(web: Web) -> None:
    """A replica slept in the middle of handing it over; meanwhile another one did so, and the environment went."""
    deploy(web)
    late = list[tuple[str, Spec]]()
    apply = web.cluster.apply

    async def asleep(name: str, spec: Spec) -> None:
        late.append((name, spec))
        raise asyncio.CancelledError

    web.cluster.apply = asleep  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        dispatch(web)
    web.cluster.apply = apply  # type: ignore[method-assign]
    web.now += MINUTE
    dispatch(web)
    report(web, "Ready")
    end(web)
    web.runner.run(apply(*late[0]))
    web.cluster.report(NAME, phase="Ready")
    follow(web)
    token = web.token("viewer")
    assert web.get(DEV, token).status == 404, "a watch may be behind, and tell of what is gone"
    relist(web)
    assert web.get(DEV, token).json["phase"] == "Ready"
    assert deploy(web).sequence == 3
    dispatch(web)
    report(web, "Ready")
    end(web)
    assert web.get(DEV, token).status == 404


def test_an_object_that_was_taken_up_again_may_go_again(web: Web) -> None:
    """Listed while another replica ended its environment."""
    deploy(web)
    dispatch(web)
    report(web, "Ready")
    kept = web.cluster.objects[NAME]
    end(web)
    web.cluster.objects[NAME] = kept
    relist(web)
    token = web.token("viewer")
    assert web.get(DEV, token).status == 200
    web.cluster.vanish(NAME)
    follow(web)
    assert web.get(DEV, token).status == 404


def not_recorded(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand a deploy to the cluster, and die before that is recorded."""
    real = web.store.run

    async def run(work: Any, *args: Any, **more: Any) -> Any:
        if work in (progress.applied, progress.postpone):
            raise Unavailable("the store does not answer")
        return await real(work, *args, **more)

    with monkeypatch.context() as dying:
        dying.setattr(web.store, "run", run)
        with pytest.raises(Unavailable):
            dispatch(web)


def later(web: Web) -> None:
    """Let an hour pass, in which the watch is begun anew now and then."""
    for _ in range(12):
        web.now += 5 * MINUTE
        relist(web)
        follow(web)
        dispatch(web)


@pytest.mark.requirement("F28")
def test_a_delete_ends_though_nobody_recorded_that_the_cluster_had_got_the_deploy_before_it(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(web)
    not_recorded(web, monkeypatch)
    report(web, "Reconciling")
    report(web, "RollingOut")
    web.now += MINUTE
    end(web)
    later(web)
    assert web.get(DEV, web.token("viewer")).status == 404
    assert deploy(web).queue.position == 0


@pytest.mark.requirement("F28")
def test_a_deploy_that_a_former_release_did_not_record_keeps_no_delete_from_ending(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    report(web, "RollingOut")
    web.run(lambda tx: tx.execute("UPDATE deploys SET applied_at = NULL WHERE id = ?", accepted.deploy_id))
    end(web)
    assert web.get(DEV, web.token("viewer")).status == 404


@pytest.mark.requirement("F28", "F37")
def test_an_environment_is_lost_though_nobody_recorded_that_the_cluster_had_got_it(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(web)
    not_recorded(web, monkeypatch)
    report(web, "Ready")
    web.now += MINUTE
    lose(web)
    later(web)
    assert web.get(DEV, web.token("viewer")).json["phase"] == "Failed"


@pytest.mark.requirement("F40")
def test_a_deploy_that_waits_in_a_backup_and_is_long_done_in_the_cluster_ends(web: Web) -> None:
    deploy(web)
    dispatch(web)
    report(web, "Provisioning")
    waiting = deploy(web)
    connection = web.store._connection
    assert connection is not None
    kept = connection.serialize()
    report(web, "RollingOut")
    dispatch(web)
    report(web, "Ready")
    connection.deserialize(kept)
    later(web)
    assert look(web, waiting).state == "done"
    assert deploy(web).queue.position == 0


@pytest.mark.requirement("F40")
def test_an_object_of_another_life_keeps_no_other_environment_from_being_followed(web: Web) -> None:
    """Its number is another deploy's here: it comes from another platform, or from a backup of the cluster."""
    deploy(web)
    dispatch(web)
    report(web, "Ready")
    end(web)
    image = DEPLOY["image"].replace("shop", "blog")
    blog = web.post("/v1/projects/acme/blog/envs/dev/deploys", web.token("maintainer"), {**DEPLOY, "image": image})
    dispatch(web)
    web.cluster.report("acme-blog-dev", phase="Ready")
    others = {**web.cluster.objects}
    web.cluster.objects = {NAME: reported(NAME, SHOP, "dep-elsewhere", 1, "Ready"), **others}
    relist(web)
    assert web.run(deploys.found, blog.json["deploy_id"]).state == "done"
    assert web.get(DEV, web.token("viewer")).status == 404
