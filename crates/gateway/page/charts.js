// What happened over time, as line charts.

import { make } from "./space.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [360, 120, 34, 16, 8];
/** Seconds shown. */
const SPAN = 300;

let points = [];

export function setPast(past) {
  points = past;
}

export function addPoint(point) {
  points.push(point);
  if (points.length > SPAN) points.shift();
}

/** A round number not below this one, for the axis. */
function ceiling(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((by) => by * step).find((round) => round >= value) ?? value;
}

function draw(name, title, series) {
  const svg = document.querySelector(name);
  const values = points.flatMap((point) => series.map(({ of }) => of(point) ?? 0));
  const top = ceiling(Math.max(1, ...values));
  const x = (at) => LEFT + ((SPAN - points.length + at + 1) / SPAN) * (WIDTH - LEFT - 4);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  svg.replaceChildren();
  for (const value of [0, top / 2, top]) {
    svg.append(make("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    const label = value >= 1000 ? `${value / 1000}k` : String(value);
    svg.append(make("text", { class: "axis", x: LEFT - 5, y: y(value) + 3, "text-anchor": "end" }, label));
  }
  for (const [at, label] of [[0, "−5 min"], [SPAN, "now"]]) {
    const place = LEFT + (at / SPAN) * (WIDTH - LEFT - 4);
    svg.append(make("text", { class: "axis", x: place, y: HEIGHT - 3, "text-anchor": at ? "end" : "start" }, label));
  }
  series.forEach(({ of, style, dots }, number) => {
    if (dots) {
      points.forEach((point, at) => {
        const value = of(point);
        if (value !== null) svg.append(make("circle", { class: "point", cx: x(at), cy: y(value), r: 2.2 }));
      });
      return;
    }
    const line = points
      .map((point, at) => [x(at), of(point)])
      .filter(([, value]) => value !== null)
      .map(([place, value], at) => `${at ? "L" : "M"}${place.toFixed(1)} ${y(value).toFixed(1)}`)
      .join("");
    if (!line) return;
    if (number === 0) {
      const area = `${line}L${x(points.length - 1)} ${y(0)}L${x(0)} ${y(0)}Z`;
      svg.append(make("path", { class: "area", d: area }));
    }
    svg.append(make("path", { class: `plot ${style}`, d: line }));
  });
  const last = points.at(-1);
  if (last) {
    const now = series.map(({ name: what, of }) => `${what} ${(of(last) ?? 0).toFixed(1)}`);
    svg.setAttribute("aria-label", `${title}, now: ${now.join(", ")}`);
  }
}

/** Draws the last minutes of a network; what passed through the sockets is that of all. */
export function drawCharts(network) {
  const part = (of) => (point) => (point[network] ? of(point[network]) : null);
  draw("#c-datagrams", "Datagrams a second", [
    { name: "in", of: (point) => point.received, style: "p1" },
    { name: "out", of: (point) => point.sent, style: "p2" },
  ]);
  draw("#c-queries", "Queries a second", [
    { name: "answered", of: part((point) => point.answers), style: "p1" },
    { name: "refused", of: part((point) => point.errors + point.limited), style: "p3" },
  ]);
  draw("#c-latency", "Milliseconds", [
    { name: "round trip", of: part((point) => point.rtt_ms), style: "p1" },
    { name: "operation", of: part((point) => point.operation_ms), style: "p2", dots: true },
  ]);
}
