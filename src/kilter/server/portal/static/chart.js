// Durations of deploys, drawn from the table below the chart: one line per environment.
"use strict";

const HEIGHT = 180;
const SERIES = 5;

function measured() {
  const rows = [...document.querySelectorAll("tr[data-took]")].map((row) => ({
    env: row.dataset.env,
    at: Number(row.dataset.at),
    took: Number(row.dataset.took),
  }));
  return rows.sort((one, other) => one.at - other.at);
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The day where it begins, else the hour; in the reader's own time.
function moments(_, ticks, __, ___, step) {
  let day = "";
  return ticks.map((tick) => {
    const [, month, date, hour] = /^\d+-(\d+)-(\d+)T(\d+:\d+)/.exec(local(tick));
    const isNew = day !== `${month}-${date}`;
    day = `${month}-${date}`;
    if (step >= 86400) return day;
    return isNew ? `${hour}\n${day}` : hour;
  });
}

function local(seconds) {
  const moment = new Date(seconds * 1000);
  return new Date(moment - moment.getTimezoneOffset() * 60000).toISOString();
}

function options(envs, width) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--faint") }, ticks: { stroke: colour("--line") } };
  const series = envs.map((env, number) => ({
    label: env,
    stroke: colour(`--series-${(number % SERIES) + 1}`),
    width: 2,
    spanGaps: true,
    points: { show: true, size: 6, fill: colour("--sheet") },
    value: (_, seconds) => (seconds == null ? "–" : took(seconds)),
  }));
  return {
    width,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    legend: { live: false },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
    series: [{ label: "Accepted" }, ...series],
    axes: [{ ...axis, values: moments }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => took(tick)) }],
  };
}

function draw() {
  const figure = document.querySelector(".chart");
  const rows = measured();
  if (!figure || rows.length < 2) return;
  figure.hidden = false;
  const place = figure.querySelector(".plot");
  const envs = [...new Set(rows.map((row) => row.env))].sort();
  const lines = envs.map((env) => rows.map((row) => (row.env === env ? row.took : null)));
  place.replaceChildren();
  new uPlot(options(envs, place.clientWidth), [rows.map((row) => row.at), ...lines], place);
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) draw();
  width = innerWidth;
});
