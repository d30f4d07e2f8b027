import json
from itertools import pairwise

import pytest
from fakes import Answer, FakeRunner

from kilter.clusters import imagecache
from kilter.clusters.imagecache import ACCEPTED, Cached, behind, complete
from kilter.proc import Outcome

NODE = "kilter-shop-control-plane"
CACHE = "http://kilter-cache-docker.io:5000/v2"
REDIS = f"{CACHE}/library/redis"
INDEX = {
    "manifests": [
        {"digest": "sha256:arm", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": "sha256:amd", "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": "sha256:attested", "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}
MANIFEST = {"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l1"}, {"digest": "sha256:l2"}]}


def asked(url: str) -> tuple[str, ...]:
    return (
        "docker", "exec", NODE, "curl", "--silent", "--fail", "--noproxy", "*", "--max-time", "300",
        "--header", f"Accept: {', '.join(ACCEPTED)}", "--url", url,
    )  # fmt: skip


ARCHITECTURE = ("docker", "exec", NODE, "uname", "-m")


@pytest.mark.parametrize(
    ("image", "repository", "reference"),
    [
        ("docker.io/library/redis:8", "library/redis", "8"),
        ("docker.io/pgvector/pgvector@sha256:aa", "pgvector/pgvector", "sha256:aa"),
        ("docker.io/library/redis:8@sha256:aa", "library/redis", "sha256:aa"),
        ("pgvector/pgvector:pg17", "pgvector/pgvector", "pg17"),
        ("redis", "library/redis", "latest"),
    ],
)
def test_a_cache_serves_an_image_under_its_own_name(image: str, repository: str, reference: str) -> None:
    assert behind(image) == Cached(f"{CACHE}/{repository}", reference)


@pytest.mark.parametrize("image", ["ghcr.io/a/b:1", "localhost:5000/a", "kilter-registry:5000/shop:1"])
def test_an_image_of_another_registry_is_behind_no_cache(image: str) -> None:
    assert behind(image) is None
    complete(FakeRunner(), "shop", [image])


@pytest.mark.requirement("CT-Q2")
def test_every_part_for_the_nodes_own_platform_is_asked_for_once() -> None:
    blobs = [f"{REDIS}/blobs/sha256:{name}" for name in ("c", "l1", "l2")]
    runner = FakeRunner(
        {
            ARCHITECTURE: "x86_64\n",
            asked(f"{REDIS}/manifests/8"): json.dumps(INDEX),
            asked(f"{REDIS}/manifests/sha256:amd"): json.dumps(MANIFEST),
            imagecache.look_at(NODE, blobs).argv: "",
        }
    )
    complete(runner, "shop", ["docker.io/library/redis:8"])
    assert len(runner.commands) == 4
    assert runner.commands[-1].argv[10:14] == ("--range", "0-0", "--output", "/dev/null"), "a look, no pull"
    argv = runner.commands[-1].argv
    assert [word for before, word in pairwise(argv) if before == "--url"] == blobs
    assert [word for before, word in pairwise(argv) if before == "--output"] == ["/dev/null"] * 3
    questions = [command.argv for command in runner.commands if "curl" in command.argv]
    assert all("--noproxy" in argv for argv in questions), "a node may have a proxy, which reaches no cache"


def test_an_image_for_one_platform_has_no_index() -> None:
    answers = {
        ARCHITECTURE: "x86_64\n",
        asked(f"{REDIS}/manifests/8"): json.dumps(MANIFEST),
        imagecache.look_at(NODE, [f"{REDIS}/blobs/sha256:{name}" for name in ("c", "l1", "l2")]).argv: "",
    }
    runner = FakeRunner(answers)
    complete(runner, "shop", ["redis:8"])
    assert len(runner.commands) == 3


@pytest.mark.parametrize(
    "told",
    ["", "not JSON", "[]", "{}", '{"manifests": null}', '{"manifests": [{"platform": null}]}', '{"layers": null}'],
)
def test_a_cache_that_knows_nothing_is_asked_for_nothing_more(told: str) -> None:
    runner = FakeRunner({ARCHITECTURE: "x86_64\n", asked(f"{REDIS}/manifests/8"): Outcome(22 if not told else 0, told)})
    complete(runner, "shop", ["redis:8"])
    assert len(runner.commands) == 2


@pytest.mark.requirement("CT-Q2")
def test_what_a_cache_cannot_bring_in_without_network_is_no_failure() -> None:
    answers: dict[tuple[str, ...], Answer] = {
        ARCHITECTURE: "x86_64\n",
        asked(f"{REDIS}/manifests/8"): json.dumps(MANIFEST),
        imagecache.look_at(NODE, [f"{REDIS}/blobs/sha256:{name}" for name in ("c", "l1", "l2")]).argv: Outcome(22),
    }
    complete(FakeRunner(answers), "shop", ["redis:8"])
