// The key space drawn: a ring of all keys, and contacts by their distance.

const SVG = "http://www.w3.org/2000/svg";
const RADIUS = 200;

export function make(name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Where on the ring an id lies, 0 to 1. */
const turn = (id) => parseInt(id.slice(0, 12), 16) / 2 ** 48;

/** A point at an id's place, so far from the centre. */
export function place(id, radius = RADIUS) {
  const angle = turn(id) * 2 * Math.PI - Math.PI / 2;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** How many leading bits two ids share. */
export function sharedBits(one, other) {
  const digits = Math.min(one.length, other.length);
  for (let at = 0; at < digits; at += 1) {
    const differ = parseInt(one[at], 16) ^ parseInt(other[at], 16);
    if (differ) return at * 4 + Math.clz32(differ) - 28;
  }
  return digits * 4;
}

/** -1, 0 or 1: which of two ids is closer to a target. */
export function closer(target, one, other) {
  for (let at = 0; at < target.length; at += 1) {
    const goal = parseInt(target[at], 16);
    const difference = (parseInt(one[at], 16) ^ goal) - (parseInt(other[at], 16) ^ goal);
    if (difference) return Math.sign(difference);
  }
  return 0;
}

const ring = document.querySelector("#ring");
const layers = {};
for (const name of ["back", "spokes", "lookup", "contacts", "stored", "me", "marks"]) {
  layers[name] = ring.appendChild(make("g"));
}

let me = "";
let known = new Map();

drawBack();

function drawBack() {
  layers.back.append(make("circle", { class: "r-band", r: RADIUS }));
  for (let at = 0; at < 16; at += 1) {
    const id = at.toString(16).padEnd(40, "0");
    const [x, y] = place(id, RADIUS - 5);
    const [outX, outY] = place(id, RADIUS + 5);
    layers.back.append(make("line", { class: "r-tick", x1: x, y1: y, x2: outX, y2: outY }));
    if (at % 2) continue;
    const [textX, textY] = place(id, RADIUS + 36);
    const label = make("text", { x: textX, y: textY, "text-anchor": "middle", dy: 4 });
    label.textContent = `${at.toString(16)}000…`;
    layers.back.append(label);
  }
}

/** The colour of a round-trip time among others. */
function paint(contact, slowest) {
  if (contact.failures > 0) return "var(--silent)";
  const share = Math.round(100 * Math.min(1, Math.sqrt(contact.rtt_ms / slowest)));
  return `color-mix(in oklch, var(--slow) ${share}%, var(--fast))`;
}

/** A curve between two places, bent towards the centre. */
export function curve(from, to, bend = 0.35) {
  const [x1, y1] = from;
  const [x2, y2] = to;
  return `M${x1} ${y1}Q${((x1 + x2) / 2) * bend} ${((y1 + y2) / 2) * bend} ${x2} ${y2}`;
}

/** Draws this node, its region, its contacts and what it stores. */
export function drawSpace(id, contacts, stored, networkSize, holders) {
  if (!id) return;
  me = id;
  known = new Map(contacts.map((contact) => [contact.id, contact]));
  const alive = contacts.filter((contact) => contact.failures === 0).map((c) => c.rtt_ms);
  const slowest = Math.max(1, ...alive);
  layers.me.replaceChildren();
  drawRegion(networkSize ?? contacts.length + 1, holders);
  const [x, y] = place(me);
  layers.me.append(make("circle", { class: "r-halo", cx: x, cy: y, r: 19 }));
  layers.me.append(make("circle", { class: "r-me", cx: x, cy: y, r: 9 }));
  const [labelX, labelY] = place(me, RADIUS + 26);
  layers.me.append(
    make("text", { class: "r-label", x: labelX, y: labelY + 4, "text-anchor": "middle" }, "me"),
  );
  layers.spokes.replaceChildren();
  layers.contacts.replaceChildren();
  for (const contact of contacts) {
    const at = place(contact.id);
    layers.spokes.append(make("path", { class: "r-spoke", d: curve([x, y], at) }));
    const dot = make("circle", { class: "r-contact", cx: at[0], cy: at[1], r: 5.2 });
    dot.style.fill = paint(contact, slowest);
    const bits = sharedBits(me, contact.id);
    dot.append(
      make("title", {}, `${contact.id.slice(0, 8)}… ${contact.rtt_ms.toFixed(1)} ms, ${bits} bits shared`),
    );
    layers.contacts.append(dot);
  }
  drawStored(stored);
  const silent = contacts.length - alive.length;
  ring.setAttribute(
    "aria-label",
    `Ring of the key space: this node ${me.slice(0, 8)}…, ${contacts.length} contacts` +
      `${silent ? `, ${silent} of them silent` : ""}, ${stored.length} keys stored`,
  );
}

/** The keys that this node is among the closest to: a prefix of its id, by density. */
function drawRegion(nodes, holders) {
  const bits = Math.max(0, Math.floor(Math.log2(Math.max(1, nodes / holders))));
  if (!bits) {
    const all = make("circle", { class: "r-region", r: RADIUS });
    all.append(make("title", {}, "All keys: so small is the network"));
    layers.me.append(all);
    return;
  }
  const share = 1 / 2 ** bits;
  const from = (Math.floor(turn(me) / share) * share * 2 - 0.5) * Math.PI;
  const to = from + share * 2 * Math.PI;
  const point = (angle) => `${RADIUS * Math.cos(angle)} ${RADIUS * Math.sin(angle)}`;
  const large = share > 0.5 ? 1 : 0;
  const d = `M${point(from)}A${RADIUS} ${RADIUS} 0 ${large} 1 ${point(to)}`;
  const region = make("path", { class: "r-region", d });
  region.append(make("title", {}, `Keys that begin with the ${bits} first bits of this node's id`));
  layers.me.append(region);
}

function drawStored(stored) {
  layers.stored.replaceChildren();
  for (const { key, many, what } of stored) {
    const [x, y] = place(key, RADIUS - 14);
    const mark = many
      ? make("circle", { class: "r-torrent", cx: x, cy: y, r: 3.2 })
      : make("rect", {
          class: "r-value", x: x - 3, y: y - 3, width: 6, height: 6, transform: `rotate(45 ${x} ${y})`,
        });
    mark.append(make("title", {}, `${key.slice(0, 8)}… ${what}`));
    layers.stored.append(mark);
  }
}

/** Forgets the last lookup: its nodes belong to one network alone. */
export function forgetLookup() {
  layers.lookup.replaceChildren();
  layers.marks.replaceChildren();
}

/** Begins to draw a lookup: forgets the last one, marks the target. */
export function beginLookup(target) {
  forgetLookup();
  const [x, y] = place(target, RADIUS + 17);
  const star = make("rect", {
    class: "r-target", x: x - 6, y: y - 6, width: 12, height: 12, transform: `rotate(45 ${x} ${y})`,
  });
  layers.marks.append(star);
  caption("", "");
}

/** What stands in the middle of the ring. */
export function caption(big, small) {
  for (const old of layers.marks.querySelectorAll("text")) old.remove();
  layers.marks.append(
    make("text", { class: "r-big", "text-anchor": "middle", y: 2 }, big),
    make("text", { class: "r-small", "text-anchor": "middle", y: 24 }, small),
  );
}

/** A request on its way from this node. Returns what ends it. */
export function drawAsk(id) {
  const at = place(id);
  const path = make("path", { class: "r-ask", d: curve(place(me), at) });
  layers.lookup.append(path);
  if (!known.has(id)) {
    layers.lookup.append(make("circle", { class: "r-met", cx: at[0], cy: at[1], r: 4 }));
  }
  return (answered) => path.classList.add(answered ? "answered" : "failed");
}

/** Whom a node named. */
export function drawNamed(by, named) {
  const from = place(by);
  for (const { id } of named) {
    const at = place(id);
    layers.lookup.append(make("path", { class: "r-named", d: curve(from, at, 0.7) }));
    if (!known.has(id)) {
      layers.lookup.append(make("circle", { class: "r-met", cx: at[0], cy: at[1], r: 3.2 }));
    }
  }
}

/** A node that turned out to be among the closest. */
export function drawHolder(id) {
  const [x, y] = place(id);
  layers.marks.append(make("circle", { class: "r-holder", cx: x, cy: y, r: 9 }));
}

const distance = document.querySelector("#distance");

/** Contacts as points: bits shared to the right, round-trip time upwards. */
export function drawDistance(id, contacts) {
  const [width, height, left, bottom, top] = [520, 240, 44, 30, 12];
  const bits = contacts.map((contact) => sharedBits(id, contact.id));
  const most = Math.max(4, ...bits) + 1;
  const slowest = Math.max(1, ...contacts.map((contact) => contact.rtt_ms)) * 1.1;
  const x = (value) => left + ((value + 0.5) / most) * (width - left - 10);
  const y = (value) => height - bottom - Math.sqrt(value / slowest) * (height - bottom - top);
  distance.replaceChildren();
  for (const share of [0, 0.25, 0.5, 1]) {
    const value = slowest * share;
    const at = y(value);
    distance.append(make("line", { class: "grid", x1: left, x2: width, y1: at, y2: at }));
    const label = `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
    distance.append(make("text", { class: "axis", x: left - 6, y: at + 3, "text-anchor": "end" }, label));
  }
  for (let bit = 0; bit < most; bit += 1) {
    const text = { class: "axis", x: x(bit), y: height - 12, "text-anchor": "middle" };
    if (most < 14 || bit % 2 === 0) distance.append(make("text", text, String(bit)));
  }
  contacts.forEach((contact, at) => {
    // Those of one bucket are spread by their next bits, so that they don't hide each other.
    const spread = (parseInt(contact.id.slice(8, 12), 16) / 65536 - 0.5) * 0.7;
    const dot = make("circle", { class: "r-contact", cx: x(bits[at] + spread), cy: y(contact.rtt_ms), r: 4.6 });
    dot.style.fill = paint(contact, slowest);
    dot.append(make("title", {}, `${contact.id.slice(0, 8)}… ${contact.rtt_ms.toFixed(1)} ms`));
    distance.append(dot);
  });
  distance.setAttribute(
    "aria-label",
    `${contacts.length} contacts by shared bits, 0 to ${most - 1}, and round-trip time up to ${slowest.toFixed(1)} ms`,
  );
}
