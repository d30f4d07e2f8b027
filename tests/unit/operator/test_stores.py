"""What the operator watches: what bears its own label or an app's, and of Secrets no content."""

from unit.operator.acting import NAME

from kilter.api import kilterapp
from kilter.operator import kinds
from kilter.operator.settings import Flux, Settings
from kilter.operator.stores import Stores, watched

SECRET = {
    "apiVersion": "v1", "kind": "Secret", "data": {"password": "Y2FuYXJ5"},
    "metadata": {"name": "redis", "namespace": NAME, "resourceVersion": "7", "managedFields": [{"manager": "x"}]},
}  # fmt: skip


def test_nothing_is_watched_that_bears_neither_the_operators_label_nor_an_apps() -> None:
    stores = Stores()
    found = {each.source.kind: each for each in watched(stores, Settings(flux=Flux(namespace="flux")))}
    own, of_an_app = "app.kubernetes.io/managed-by=kilter-operator", kilterapp.LABEL_APP
    seen = {kind: (each.source.namespace, each.source.selector) for kind, each in found.items()}
    assert seen == {
        kinds.APP: (kilterapp.NAMESPACE, ""),
        **dict.fromkeys((kinds.SERVICE_ACCOUNT, kinds.KUSTOMIZATION), ("flux", own)),
        **dict.fromkeys(
            (kinds.NAMESPACE, kinds.RESOURCE_QUOTA, kinds.NETWORK_POLICY, kinds.ROLE_BINDING, kinds.SECRET), ("", own)
        ),
        **dict.fromkeys(
            (kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.POD, kinds.ENDPOINT_SLICE, kinds.HTTP_ROUTE), ("", of_an_app)
        ),
    }
    assert len({id(each.store) for each in found.values()}) == len(vars(stores)), "each has a store of its own"
    assert [kind for kind, each in found.items() if each.source.metadata_only] == [kinds.SECRET]
    assert [kind for kind, each in found.items() if each.source.dispensable] == [kinds.STATEFUL_SET]


def test_whatever_is_watched_leads_to_the_kilter_app_that_it_is_of() -> None:
    """By its name where it lies beside those of others, else by the namespace that is the environment's own."""
    by_name = {kinds.APP, kinds.NAMESPACE, kinds.SERVICE_ACCOUNT, kinds.KUSTOMIZATION}
    for each in watched(Stores(), Settings()):
        place = ("somewhere", NAME) if each.source.kind in by_name else (NAME, "something")
        assert each.key(place) == NAME, each.source.kind


def test_of_what_was_written_itself_no_value_of_a_secret_stays_in_memory() -> None:
    stores = Stores()
    stores.put(SECRET)
    assert stores.secrets.places() == [], "the watch brings what is known of it"
    stores.put(SECRET | {"kind": "ResourceQuota"})
    kept = stores.quotas.get(NAME, "redis")
    assert kept is not None
    assert kept["metadata"] == {"name": "redis", "namespace": NAME, "resourceVersion": "7"}
