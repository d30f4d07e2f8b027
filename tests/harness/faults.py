"""What goes wrong around a trial platform: Flux stands still, a program of it is away, its servers race."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from harness.trial import SYSTEM, Trial

# Every pod begins at the same second; the request is sent to itself, past the Gateway.
CONTENDER = """
import json, sys, time, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor

path, token, body, start = sys.argv[1:5]

def asked(_):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:8080{path}", body.encode(), headers, method="DELETE")
    time.sleep(max(0.0, float(start) - time.time()))
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)["deploy_id"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]["code"]

with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(asked, range(8)))))
"""


@contextmanager
def suspended(here: Trial, space: str) -> Iterator[Callable[[], object]]:
    """Have Flux apply nothing of an environment, until what is yielded is called or the block ends."""
    # Flux takes back what kubectl changed under its own name.
    patch = ("patch", "kustomization", space, "--namespace", SYSTEM, "--type=merge", "--field-manager=somebody")

    def suspend(wanted: str) -> str:
        return here.kubectl(*patch, f'--patch={{"spec":{{"suspend":{wanted}}}}}')

    suspend("true")
    try:
        yield lambda: suspend("null")
    finally:
        suspend("null")


@contextmanager
def away(here: Trial, name: str) -> Iterator[None]:
    """Have a program of the platform away until the block ends."""
    with _scaled(here, name, 0):
        here.kubectl("wait", "pods", "--namespace", SYSTEM, f"--selector=app.kubernetes.io/name={name}", "--for=delete")
        yield


@contextmanager
def second(here: Trial, name: str) -> Iterator[None]:
    """Have a program of the platform run twice until the block ends."""
    with _scaled(here, name, 2):
        here.kubectl("rollout", "status", "--namespace", SYSTEM, f"deployment/{name}", "--timeout=60s")
        yield


@contextmanager
def _scaled(here: Trial, name: str, replicas: int) -> Iterator[None]:
    scale = ("scale", "--namespace", SYSTEM, f"deployment/{name}")
    here.kubectl(*scale, f"--replicas={replicas}")
    try:
        yield
    finally:
        here.kubectl(*scale, "--replicas=1")


def race(here: Trial, path: str, body: object) -> Counter[tuple[int, str]]:
    """Send a DELETE to every server of the platform, eight times at the same moment; returns the answers."""
    selector = "--field-selector=status.phase=Running"
    pods = [
        pod["metadata"] for pod in here.objects("pods", selector, "--selector=app.kubernetes.io/name=kilter-server")
    ]
    words = (path, here.token, json.dumps(body), str(time.time() + 3.0))

    def inside(pod: str) -> list[tuple[int, str]]:
        answers = here.kubectl("exec", "--namespace", SYSTEM, pod, "--", "python", "-c", CONTENDER, *words)
        return [(code, said) for code, said in json.loads(answers)]

    with ThreadPoolExecutor() as pool:
        return Counter(answer for found in pool.map(inside, [pod["name"] for pod in pods]) for answer in found)
