// The dashboard: takes the node's events and puts them where they belong.

import { events, onUnauthorized, useToken } from "./api.js";
import { addPoint, drawCharts, setPast } from "./charts.js";
import { forgetHand, prepareHand } from "./hand.js";
import { forget, play } from "./lookup.js";
import { NETWORKS, amount } from "./networks.js";
import { drawDistance, drawSpace, sharedBits } from "./space.js";

const find = (selector) => document.querySelector(selector);
const LIMITS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000];

let status = null;
/** By network: contacts, and what is stored for others. */
let known = {};
/** The network that is shown. */
let chosen = "";

function span(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [length, unit] of units) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
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

function showGlance(point) {
  const network = NETWORKS[chosen];
  find("#g-contacts").textContent = amount(network.contacts(status));
  const size = network.size(status);
  find("#g-network").textContent = size ? `≈ ${amount(Math.round(size))}` : "small";
  find("#g-stored").textContent = amount(network.stored(status));
  find("#g-in").textContent = point ? `${amount(point.received)}/s` : "–";
  find("#g-out").textContent = point ? `${amount(point.sent)}/s` : "–";
  find("#g-up").textContent = span(status.uptime_ms / 1000);
}

function showIdentity() {
  const { disk } = status;
  const kept = disk ? `${amount(disk.bytes / 1024)} KiB` : "nothing: all is forgotten at its end";
  const list = [
    ...NETWORKS[chosen].identity(status),
    ["On disk", disk?.trouble ? `trouble: ${disk.trouble}` : kept],
  ];
  const who = find("#who");
  who.replaceChildren();
  for (const [term, what, isCode] of list) {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = term;
    dd.append(isCode ? code(what) : what);
    who.append(dt, dd);
  }
}

function showMethods() {
  const queries = Object.entries(NETWORKS[chosen].asked(status));
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
  const rows = NETWORKS[chosen]
    .refusals(status)
    .filter(([count]) => count > 0)
    .sort(([one], [other]) => other - one)
    .map(([count, what, why]) => row([[amount(count), "n"], [what], [why]]));
  if (!rows.length) rows.push(row([["0", "n"], ["Nothing yet"], ["everybody has behaved so far"]]));
  find("#refusals").replaceChildren(...rows);
}

function showOperations() {
  const rows = Object.entries(NETWORKS[chosen].outcomes(status))
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
  const network = NETWORKS[chosen];
  const id = network.id(status);
  const { contacts, stored } = known[chosen] ?? { contacts: [], stored: [] };
  if (!id) return;
  drawSpace(id, contacts, network.held(stored), network.size(status), network.holders);
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

/** Offers the networks that the node takes part in, and shows the first. */
function offerNetworks() {
  const names = Object.keys(NETWORKS).filter((name) => NETWORKS[name].is(status));
  const tabs = names.map((name) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${name}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "main");
    tab.textContent = NETWORKS[name].title;
    tab.addEventListener("click", () => choose(name));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = names[(names.indexOf(name) + step + names.length) % names.length];
      choose(next);
      find(`#tab-${next}`).focus();
    });
    return tab;
  });
  find("#networks").replaceChildren(...tabs);
  choose(names[0]);
}

function choose(name) {
  chosen = name;
  for (const tab of find("#networks").children) {
    const isIt = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(isIt));
    tab.tabIndex = isIt ? 0 : -1;
  }
  find("#main").setAttribute("aria-labelledby", `tab-${name}`);
  document.documentElement.dataset.network = name;
  const { digits, quests, many } = NETWORKS[name];
  for (const input of document.querySelectorAll("input.key")) {
    input.pattern = `[0-9a-fA-F]{${digits}}`;
    input.placeholder = input.title = `${digits} hexadecimal digits`;
    input.value = "";
  }
  find("#lookup-quest").replaceChildren(...quests.map(([value, text]) => new Option(text, value)));
  find("#legend-many").textContent = many;
  forget();
  forgetHand();
  show();
}

/** Everything that depends on the network. */
function show(point) {
  showGlance(point);
  showIdentity();
  showMethods();
  showRefusals();
  showOperations();
  drawCharts(chosen);
  if (point === undefined) showContacts();
}

function showState(text, className) {
  const state = find("#state");
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${className}`;
}

const handlers = {
  history({ points }) {
    setPast(points);
  },
  status({ status: now, point }) {
    const first = !status;
    status = now;
    if (point) addPoint(point);
    showState("live", "on");
    if (first) offerNetworks();
    else show(point);
  },
  contacts(event) {
    known = event;
    if (status) showContacts();
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

async function lookUp(key, quest) {
  find("#lookup-key").value = key;
  if (quest) find("#lookup-quest").value = quest;
  const { holders } = NETWORKS[chosen];
  await play({ network: chosen, holders }, key, find("#lookup-quest").value, known[chosen]?.contacts ?? []);
}

prepareHand({
  network: () => chosen,
  longest: () => NETWORKS[chosen].longest,
  lookUp,
  showWhere: (key) => lookUp(key, NETWORKS[chosen].whereabouts),
});

find("#lookup-random").addEventListener("click", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(NETWORKS[chosen].digits / 2));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  find("#lookup-key").value = key;
  find("#lookup-form").requestSubmit();
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
