// The dashboard: takes the node's events and puts them where they belong.

import { events, json, onUnauthorized, request, useToken } from "./api.js";
import { addPoint, drawCharts, setPast } from "./charts.js";
import { play } from "./lookup.js";
import { drawDistance, drawSpace, sharedBits } from "./space.js";

const find = (selector) => document.querySelector(selector);
const LIMITS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000];

let status = null;
let contacts = [];
let stored = [];

/** Why something was refused: place in the status, what, why. */
const REFUSALS = [
  [(s) => s.mainline?.limited_by_host, "Query unanswered", "its host had asked too much"],
  [(s) => s.mainline?.limited_by_subnet, "Query unanswered", "the hosts of its subnet had, together"],
  [(s) => s.dropped.malformed, "Datagram dropped", "it is none of the protocol"],
  [(s) => s.dropped.oversized, "Datagram dropped", "it is longer than any message"],
  [(s) => s.mainline?.messages.unsolicited, "Answer ignored", "it answers nothing this node asked"],
  [(s) => s.mainline?.faults.protocol, "Error sent", "a wrong token, or arguments that make no sense"],
  [(s) => s.mainline?.faults.unknown_method, "Error sent", "a method this node does not know"],
  [(s) => s.mainline?.faults.bad_signature, "Error sent", "the signature does not match"],
  [(s) => s.mainline?.faults.conflict, "Error sent", "an older version than the stored one"],
  [(s) => s.mainline?.faults.too_long, "Error sent", "value or salt too long"],
  [(s) => s.mainline?.faults.store_full, "Error sent", "the store is full, or its source’s share"],
  [(s) => s.mainline?.faults.other, "Error sent", "another reason"],
  [(s) => s.dropped.send_full, "Message not sent", "the socket was full"],
  [(s) => s.dropped.send_failed, "Message not sent", "the system refused: no route, a firewall"],
  [(s) => s.dropped.unpersisted, "Change not kept", "the disk did not keep up, or is full"],
];

function span(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [length, unit] of units) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

function amount(number) {
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  if (number >= 1e4) return `${(number / 1e3).toFixed(1)} k`;
  return Number.isInteger(number) ? String(number) : number.toFixed(1);
}

function row(cells) {
  const row = document.createElement("tr");
  for (const [text, className] of cells) {
    const cell = row.insertCell();
    if (className) cell.className = className;
    cell.append(text);
  }
  return row;
}

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

const side = () => status?.mainline?.v4 ?? status?.mainline?.v6;

function showGlance(point) {
  const { mainline } = status;
  const good = (mainline?.v4?.good ?? 0) + (mainline?.v6?.good ?? 0);
  find("#g-contacts").textContent = amount(good);
  const size = side()?.network_size;
  find("#g-network").textContent = size ? `≈ ${amount(Math.round(size))}` : "small";
  find("#g-stored").textContent = amount((mainline?.items ?? 0) + (mainline?.info_hashes ?? 0));
  find("#g-in").textContent = point ? `${amount(point.received)}/s` : "–";
  find("#g-out").textContent = point ? `${amount(point.sent)}/s` : "–";
  find("#g-up").textContent = span(status.uptime_ms / 1000);
}

function showIdentity() {
  const list = [];
  for (const [name, family] of [["IPv4", status.mainline?.v4], ["IPv6", status.mainline?.v6]]) {
    if (!family) continue;
    list.push([`Id on ${name}`, code(family.id)]);
    list.push([
      "Seen as",
      family.external
        ? code(family.external)
        : "not known yet: too few others have said where they see this node",
    ]);
    const size = family.network_size;
    list.push([
      "Network",
      `${family.good} contacts answer, ${family.questionable} have been silent` +
        `${size ? `; about ${amount(Math.round(size))} nodes in all` : ""}`,
    ]);
  }
  list.push(["Listens", code(status.listen.map((address) => `${address}/udp`).join(" "))]);
  const { mainline, disk } = status;
  list.push([
    "Stores",
    `${amount(mainline?.items ?? 0)} values, ${amount(mainline?.peers ?? 0)} peers of ` +
      `${amount(mainline?.info_hashes ?? 0)} torrents, for others`,
  ]);
  const kept = disk ? `${amount(disk.bytes / 1024)} KiB` : "nothing: all is forgotten at its end";
  list.push(["On disk", disk?.trouble ? `trouble: ${disk.trouble}` : kept]);
  const who = find("#who");
  who.replaceChildren();
  for (const [term, what] of list) {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = term;
    dd.append(what);
    who.append(dt, dd);
  }
}

function showMethods() {
  const queries = Object.entries(status.mainline?.queries ?? {});
  const most = Math.max(1, ...queries.map(([, count]) => count));
  const items = queries
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => {
      const item = document.createElement("li");
      const [label, track, fill, n] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
      label.append(code(name));
      track.className = "track";
      fill.className = "fill";
      fill.style.display = "block";
      fill.style.width = `${(100 * count) / most}%`;
      track.append(fill);
      n.className = "n";
      n.textContent = amount(count);
      item.append(label, track, n);
      return item;
    });
  find("#methods").replaceChildren(...items);
}

function showRefusals() {
  const rows = REFUSALS.map(([of, what, why]) => [of(status) ?? 0, what, why])
    .filter(([count]) => count > 0)
    .sort(([one], [other]) => other - one)
    .map(([count, what, why]) => row([[amount(count), "n"], [what], [why]]));
  if (!rows.length) rows.push(row([["0", "n"], ["Nothing yet"], ["everybody has behaved so far"]]));
  find("#refusals").replaceChildren(...rows);
}

function showOperations() {
  const rows = Object.entries(status.mainline?.outcomes ?? {})
    .map(([kind, { done, not_found: none, failed, elapsed_ms: elapsed, by_latency: counts }]) => {
      const all = done + none + failed;
      if (!all) return null;
      let sum = 0;
      const nine = counts.findIndex((count) => (sum += count) >= 0.9 * all);
      const within = nine < 0 ? "more than 30 s" : `${LIMITS[nine]} ms`;
      return row([
        [code(kind)], [amount(done), "n"], [amount(none), "n"], [amount(failed), "n"],
        [`${(elapsed / all).toFixed(1)} ms`, "n"], [within, "n"],
      ]);
    })
    .filter(Boolean);
  if (!rows.length) rows.push(row([["nothing yet: look a key up"]]));
  find("#operations").replaceChildren(...rows);
}

function showContacts() {
  const id = side()?.id;
  if (!id) return;
  drawSpace(id, contacts, stored, side().network_size);
  drawDistance(id, contacts);
  const sorted = [...contacts].sort((one, other) => sharedBits(id, other.id) - sharedBits(id, one.id));
  const rows = sorted.map((contact) =>
    row([
      [String(sharedBits(id, contact.id)), "n"], [code(contact.id.slice(0, 12))], [code(contact.address)],
      [`${contact.rtt_ms.toFixed(1)} ms`, "n"], [span(contact.known_for_s), "n"],
    ]),
  );
  find("#contacts").replaceChildren(...rows);
}

function showState(text, className) {
  const state = find("#state");
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${className}`;
}

const handlers = {
  history({ points }) {
    setPast(points);
    drawCharts();
  },
  status({ status: now, point }) {
    const first = !status;
    status = now;
    if (point) addPoint(point);
    showState("live", "on");
    showGlance(point);
    showIdentity();
    showMethods();
    showRefusals();
    showOperations();
    drawCharts();
    if (first) showContacts();
  },
  contacts({ contacts: list, stored: keys }) {
    contacts = list;
    stored = keys;
    showContacts();
  },
};

async function watch() {
  for (let tries = 0; ; tries += 1) {
    try {
      for await (const { name, data } of events("/v1/live")) {
        tries = 0;
        handlers[name]?.(data);
      }
    } catch {
      // Told below; the node may have been restarted.
    }
    showState("not connected", "off");
    await new Promise((resolve) => setTimeout(resolve, Math.min(10000, 500 * 2 ** tries)));
  }
}

/** Shows what became of a form, and keeps it from being sent twice. */
function onSubmit(form, output, act) {
  find(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = find(`${form} [type=submit]`);
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      const where = find(output);
      where.className = "bad";
      where.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}

function linkTo(text, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = text;
  button.addEventListener("click", act);
  return button;
}

async function lookUp(key, quest) {
  find("#lookup-key").value = key;
  find("#lookup-quest").value = quest;
  await play(key, quest, contacts);
}

onSubmit("#lookup-form", "#lookup-summary", () =>
  lookUp(find("#lookup-key").value.trim().toLowerCase(), find("#lookup-quest").value),
);

find("#lookup-random").addEventListener("click", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  find("#lookup-key").value = key;
  find("#lookup-form").requestSubmit();
});

onSubmit("#put-form", "#put-result", async () => {
  const body = new TextEncoder().encode(find("#put-value").value);
  const headers = { "content-type": "application/octet-stream" };
  const report = await json("/v1/mainline/items", { method: "POST", body, headers });
  const where = find("#put-result");
  where.className = "good";
  const nodes = report.acknowledged.length;
  where.replaceChildren(
    `${nodes} node${nodes === 1 ? "" : "s"} keep${nodes === 1 ? "s" : ""} it under `, code(report.key), " ",
    linkTo("show me where", () => lookUp(report.key, "value")),
  );
  find("#get-key").value = report.key;
});

onSubmit("#get-form", "#get-result", async () => {
  const key = find("#get-key").value.trim().toLowerCase();
  const response = await request(`/v1/mainline/items/${key}`, { headers: { accept: "application/json" } });
  const item = await response.json();
  const where = find("#get-result");
  where.className = "";
  const ms = item.elapsed_ms.toFixed(1);
  const from = item.asked ? `${ms} ms, ${item.hops} hops` : "kept by this node itself";
  where.replaceChildren(code(item.text ?? item.value_hex), ` (${from})`);
});

onUnauthorized(
  () =>
    new Promise((resolve) => {
      const dialog = find("#token");
      const form = find("#token-form");
      if (!dialog.open) dialog.showModal();
      form.addEventListener("submit", () => {
        useToken(find("#token-value").value);
        resolve();
      }, { once: true });
    }),
);

const THEMES = { "": ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

function showTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  const [sign, name] = THEMES[theme];
  find("#theme").textContent = sign;
  find("#theme").setAttribute("aria-label", `Colours: ${name}`);
}

find("#theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const now = document.documentElement.dataset.theme ?? "";
  const next = names[(names.indexOf(now) + 1) % names.length];
  showTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Without storage it lasts as long as the page.
  }
});

try {
  showTheme(localStorage.getItem("theme") ?? "");
} catch {
  showTheme("");
}

watch();
