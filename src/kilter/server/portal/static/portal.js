// What the pages do beyond HTML: they all work without it, but stand still.
"use strict";

const ENDS = ["done", "failed", "superseded"];
const AGAIN = 2000; // milliseconds until a page that could not be fetched is tried again

// A deploy's page is fetched anew (by htmx, `hx-trigger="news"`) whenever its stream tells something.
function followDeploy() {
  const page = document.querySelector("[data-events]");
  if (!page) return;
  let waiting = 0;
  const tell = () => htmx.trigger(page, "news");
  const again = () => { clearTimeout(waiting); waiting = setTimeout(tell, AGAIN); };
  page.addEventListener("htmx:error", again);
  page.addEventListener("htmx:after:request", (event) => {
    const { status } = event.detail.ctx.response;
    if (status === 204 || status >= 400) again();
  });
  listen(page, tell);
}

function listen(page, tell) {
  if (!page.dataset.events) return;
  const stream = new EventSource(page.dataset.events);
  for (const name of ["queued", "phase", "log"]) stream.addEventListener(name, tell);
  for (const name of ENDS) stream.addEventListener(name, () => { stream.close(); tell(); });
  stream.addEventListener("error", () => {
    if (!page.dataset.events) return stream.close();
    // The stream ends at once where all was told before the page was made: then the page is behind.
    tell();
    // Browsers open one again that broke off, but none that was refused, as gateways do while no server is there.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => listen(page, tell), AGAIN);
  });
}

// The step that is under way counts its own seconds.
function countSeconds() {
  for (const each of document.querySelectorAll("[data-since]")) {
    each.textContent = took((Date.now() - Date.parse(each.dataset.since)) / 1000);
  }
}

function took(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

// Log lines are text and nothing else; only so many are kept.
const KEPT = 2000;

class Log {
  constructor(button) {
    this.button = button;
    this.lines = document.getElementById("log");
    this.state = document.getElementById("log-state");
    this.waiting = [];
    this.pause = 0;
    button.hidden = false;
    button.addEventListener("click", () => (this.stream ? this.stop("Not followed any more.") : this.start()));
  }

  start() {
    let why = "The lines cannot be followed right now; try again later.";
    this.stream = new EventSource(this.button.dataset.stream);
    this.stream.addEventListener("open", () => {
      why = "The stream has ended.";
      this.lines.replaceChildren();
      this.state.textContent = "Followed as it is printed.";
    });
    this.stream.addEventListener("log", (event) => this.add(event.data));
    this.stream.addEventListener("error", () => this.stop(why));
    this.button.setAttribute("aria-pressed", "true");
  }

  stop(why) {
    this.stream.close();
    this.stream = null;
    this.button.setAttribute("aria-pressed", "false");
    this.state.textContent = why;
  }

  add(text) {
    if (this.waiting.push(text) === 1) setTimeout(() => this.draw(), this.pause);
    if (this.waiting.length > 2 * KEPT) this.waiting.splice(0, KEPT);
  }

  draw() {
    const box = this.lines;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    // Rows laid out and thrown away by the thousand fill the memory faster than it is given back: the oldest one is used
    // again, and where all of them go at once, nobody reads more than one window in a second.
    this.pause = this.waiting.length < KEPT ? 50 : 1000;
    for (const text of this.waiting.splice(0).slice(-KEPT))
      box.append(line(text, box.childElementCount < KEPT ? row() : box.firstElementChild));
    if (atEnd) box.scrollTop = box.scrollHeight;
  }
}

function row() {
  const [pod, words, shown] = ["b", "bdi", "p"].map((name) => document.createElement(name));
  for (const each of [pod, words]) each.append("");
  shown.append(pod, " ", words);
  return shown;
}

function line(text, shown) {
  const [pod, words] = shown.children;
  const space = text.indexOf(" ");
  pod.firstChild.data = visible(text.slice(0, space));
  words.firstChild.data = visible(text.slice(space + 1));
  return shown;
}

// As the server writes them: what a terminal would obey is seen, and does nothing.
function visible(text) {
  return text
    .replace(/[\x00-\x08\x0b-\x1f]/g, (found) => String.fromCharCode(0x2400 + found.charCodeAt(0)))
    .replace(/[\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

followDeploy();
setInterval(countSeconds, 1000);
const follow = document.getElementById("follow");
if (follow) new Log(follow);
const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight;
