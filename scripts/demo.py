"""`make demo`: brings examples/shop up with the installed kilter, uses it, edits it, and says what to try next."""

import json
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "build" / "demo" / "shop"
PATIENCE = 60.0  # seconds for one thing to show


def main(kilter: str) -> int:
    """Tell the whole story once; returns the exit code."""
    binary = str(Path(kilter).resolve())
    if not SHOP.exists():  # the whole or nothing: a half copy would be used ever after
        copy = SHOP.with_name("shop.copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ROOT / "examples" / "shop", copy)
        copy.rename(SHOP)
    say(f"A copy of examples/shop is in {SHOP.relative_to(ROOT)}: a web process, a worker, PostgreSQL and Redis.")
    if (code := command([binary, "up"])) != 0:
        return code
    status = json.loads(output([binary, "status", "--json"]))
    app = next(row["localhost"] for row in status["workloads"] if row["kind"] == "component")
    order = place_order(app)
    await_handling(app, order)
    show_data(binary, order)
    edit(app)
    say(f"The shop itself is at {app}. Try next:")
    has_testbed = bool(output([sys.executable, str(ROOT / "testbed"), "env"]))
    print("\n".join(f"  {line}" for line in next_steps(binary, has_testbed=has_testbed)))
    return 0


def next_steps(binary: str, *, has_testbed: bool) -> list[str]:
    """Return commands as a person may paste them into another shell, with what they do."""
    engine = [f'eval "$(python3 {shlex.quote(str(ROOT / "testbed"))} env)"'] if has_testbed else []
    end = ["# `make testbed-down` ends what `make testbed` started"] if has_testbed else []
    return [
        f"cd {shlex.quote(str(SHOP))}",
        *engine,
        f"alias kilter={shlex.quote(shlex.quote(binary))}",
        "kilter env               # the addresses of PostgreSQL and Redis",
        "kilter logs -f worker    # what the worker does",
        "kilter stop              # frees the memory, keeps the data; `kilter up` resumes",
        *end,
    ]


def place_order(app: str) -> int:
    """Place an order over HTTP and return its number."""
    say("Placing an order over HTTP:")
    answer = request(f"{app}/orders", {"item": "green tea", "quantity": 2})
    print(f"  POST {app}/orders -> order {answer['id']}, {answer['status']}")
    return int(answer["id"])


def await_handling(app: str, order: int) -> None:
    """Wait until the worker has handled the order."""
    answer = until(lambda: request(f"{app}/orders/{order}"), lambda found: found["status"] == "handled")
    print(f"  the worker handled it: {answer['status']} at {answer['handled_at']}")


def show_data(binary: str, order: int) -> None:
    """Show the row in Postgres and the key in Redis through the localhost addresses of `kilter env`."""
    say("The same order through the localhost addresses of `kilter env`:")
    python = str(ROOT / ".venv" / "bin" / "python")
    lines = output([binary, "env", "--localhost"]).splitlines()
    env = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    program = (
        "import json, sys, psycopg, redis\n"
        "env, order = json.load(sys.stdin)\n"
        "row = psycopg.connect(env['DATABASE_URL']).execute(\n"
        "    'select id, item, quantity, status from orders where id = %s', [order]).fetchone()\n"
        "key = f'order:{order}:receipt'\n"
        "print('  PostgreSQL:', row)\n"
        "print('  Redis:     ', key, '=', redis.Redis.from_url(env['REDIS_URL'], decode_responses=True).get(key))\n"
        "assert row\n"
    )
    # The addresses hold the password: they go in by standard input, where no other user can read them.
    subprocess.run([python, "-c", program], input=json.dumps([env, order]), text=True, check=True)


def edit(app: str) -> None:
    """Edit a source line and wait until the running app shows it."""
    source = SHOP / "shop" / "greeting.py"
    text = source.read_text()
    old, new = "Welcome to the shop", "The shop is open"
    if old not in text:
        old, new = new, old
    say(f"Editing shop/greeting.py: {old!r} becomes {new!r}")
    began = time.monotonic()
    source.write_text(text.replace(old, new))
    until(lambda: fetch(f"{app}/greeting"), lambda found: found == new)
    print(f"  GET {app}/greeting -> {new!r}, {time.monotonic() - began:.1f}s after the file was saved")


def until(look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Look again and again until what is found holds; TimeoutError after PATIENCE."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        try:
            if holds(found := look()):
                return found
        except OSError:
            pass  # a live update restarts the process: it may refuse a connection for a moment
        time.sleep(0.05)
    raise TimeoutError(f"nothing within {PATIENCE:g} seconds")


def request(url: str, body: dict[str, Any] | None = None) -> Any:
    """Send a GET, or a POST with a JSON body, and return the JSON answer."""
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(
        urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"}), timeout=10
    ) as answer:
        return json.load(answer)


def fetch(url: str) -> str:
    """Return the text at an address."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def command(argv: list[str]) -> int:
    """Show a command, run it in the shop's folder, and return its exit code."""
    print(f"$ kilter {' '.join(argv[1:])}", flush=True)
    return subprocess.run(argv, cwd=SHOP, check=False).returncode


def output(argv: list[str]) -> str:
    """Run a command in the shop's folder and return what it printed."""
    return subprocess.run(argv, cwd=SHOP, check=True, capture_output=True, text=True).stdout


def say(text: str) -> None:
    """Print a heading of the story."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
