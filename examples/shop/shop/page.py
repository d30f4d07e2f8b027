"""The shop's only page, with everything it needs inside."""

from collections.abc import Sequence
from html import escape

from shop.model import Order

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); --accent: #2563eb; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
form { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end; margin: 1.5rem 0; }
label { display: grid; gap: .25rem; flex: 1 1 12rem; }
label + label { flex: 0 1 7rem; }
input, button { font: inherit; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .5rem; }
button { background: var(--accent); color: #fff; border-color: var(--accent); cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: start; font-weight: 600; padding-bottom: .5rem; }
th, td { text-align: start; padding: .5rem .25rem; border-bottom: 1px solid var(--line); }
[role=alert] { border-inline-start: 4px solid #dc2626; padding-inline-start: 1rem; }
"""

# Without scripts the page works the same and shows news when it is loaded again.
SCRIPT = """
setInterval(async () => {
  const answer = await fetch("/").catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["greeting", "orders"]) {
    const shown = document.getElementById(id), next = fresh.getElementById(id);
    if (shown.innerHTML !== next.innerHTML) shown.innerHTML = next.innerHTML;
  }
}, 2000);
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{greeting}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1 id="greeting">{greeting}</h1>
{alert}<form method="post" action="/">
<label>Item <input name="item" required maxlength="80" autocomplete="off"></label>
<label>Quantity <input name="quantity" type="number" required min="1" max="100" value="1"></label>
<button>Place order</button>
</form>
<div id="orders" aria-live="polite">
{orders}
</div>
</main>
<script>{script}</script>
</body>
</html>
"""


def render(greeting: str, orders: Sequence[Order], problems: Sequence[str] = ()) -> str:
    """Write the page."""
    return PAGE.format(
        greeting=escape(greeting), alert=_alert(problems), orders=_table(orders), style=STYLE, script=SCRIPT
    )


def _alert(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    return f'<p role="alert">The order was not placed. {escape("; ".join(problems))}</p>\n'


def _table(orders: Sequence[Order]) -> str:
    if not orders:
        return "<p>No orders yet.</p>"
    return (
        '<table>\n<caption>Recent orders</caption>\n<thead><tr><th scope="col">No.</th><th scope="col">Item</th>'
        '<th scope="col">Quantity</th><th scope="col">Status</th></tr></thead>\n<tbody>\n'
        + "\n".join(_row(order) for order in orders)
        + "\n</tbody>\n</table>"
    )


def _row(order: Order) -> str:
    return (
        f'<tr><th scope="row">{order.id}</th><td>{escape(order.item)}</td>'
        f"<td>{order.quantity}</td><td>{order.status}</td></tr>"
    )
