// What people do by hand: look up, store, read, watch.

import { events, json } from "./api.js";

const find = (selector) => document.querySelector(selector);

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
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

/** Where each network keeps values. */
const VALUES = { poly: "/v1/poly/values", mainline: "/v1/mainline/items" };
let watching = null;

/** Forgets what was done in another network. */
export function forgetHand() {
  for (const output of ["#put-result", "#get-result", "#watch-result"]) find(output).replaceChildren();
  find("#watch-changes").replaceChildren();
  watching?.abort();
}

/** Makes the forms work; `at` tells the network that is shown, and looks keys up. */
export function prepareHand(at) {
  onSubmit("#lookup-form", "#lookup-summary", () =>
    at.lookUp(find("#lookup-key").value.trim().toLowerCase()),
  );
  onSubmit("#put-form", "#put-result", () => put(at));
  onSubmit("#get-form", "#get-result", () => get(at));
  onSubmit("#watch-form", "#watch-result", watch);
  find("#watch-stop").addEventListener("click", () => watching?.abort());
}

async function put(at) {
  const body = new TextEncoder().encode(find("#put-value").value);
  if (body.length > at.longest()) {
    throw new Error(`${body.length} bytes: a value has at most ${at.longest()} in this network`);
  }
  const headers = { "content-type": "application/octet-stream" };
  const lifetime = at.network() === "poly" ? `?lifetime_s=${find("#put-lifetime").value}` : "";
  const report = await json(VALUES[at.network()] + lifetime, { method: "POST", body, headers });
  const where = find("#put-result");
  where.className = "good";
  const nodes = report.acknowledged.length;
  const refused = report.refused.length ? ` (${report.refused.length} refused)` : "";
  where.replaceChildren(
    `${nodes} node${nodes === 1 ? "" : "s"} keep${nodes === 1 ? "s" : ""} it${refused} under `,
    code(report.key), " ", linkTo("show me where", () => at.showWhere(report.key)),
  );
  find("#get-key").value = report.key;
}

async function get(at) {
  const key = find("#get-key").value.trim().toLowerCase();
  const item = await json(`${VALUES[at.network()]}/${key}`);
  const where = find("#get-result");
  where.className = "";
  const ms = item.elapsed_ms.toFixed(1);
  const hops = `${item.hops} hop${item.hops === 1 ? "" : "s"}`;
  const from = item.asked ? `${ms} ms, ${hops}` : "kept by this node itself";
  where.replaceChildren(code(item.text ?? item.value_hex), ` (${from})`);
}

/** Where a change of what the form names is told. */
function watched() {
  const name = find("#watch-name").value.trim();
  if (find("#watch-kind").value === "topic") {
    return `/v1/poly/topics/${encodeURIComponent(`name:${name}`)}/watch`;
  }
  if (!/^[0-9a-fA-F]{64}$/.test(name)) {
    throw new Error("an author is a public key: 64 hexadecimal digits");
  }
  return `/v1/poly/records/${name.toLowerCase()}/watch`;
}

async function watch() {
  const path = watched();
  const [where, changes] = [find("#watch-result"), find("#watch-changes")];
  watching?.abort();
  const mine = (watching = new AbortController());
  changes.replaceChildren();
  where.className = "good";
  where.textContent = "Watching: what is there, and then each change…";
  find("#watch-stop").hidden = false;
  follow(path, mine, where, changes);
}

/** Tells changes until it is stopped; the form is free meanwhile. */
async function follow(path, mine, where, changes) {
  let end = "The watch has ended.";
  try {
    for await (const { name, data } of events(path, mine.signal)) {
      if (name === "record" || name === "entry") changes.prepend(change(data));
      while (changes.children.length > 50) changes.lastChild.remove();
    }
  } catch (error) {
    end = mine.signal.aborted ? "Stopped." : error.message;
  }
  if (watching === mine) {
    where.className = "";
    where.textContent = end;
    find("#watch-stop").hidden = true;
  }
}

function change({ public_key: author, slot, seq, text, value_hex: value, payload_hex: payload }) {
  const item = document.createElement("li");
  const [when, what] = [document.createElement("span"), document.createElement("span")];
  when.className = "hop";
  when.textContent = new Date().toLocaleTimeString();
  const bytes = value ?? payload;
  what.append(bytes === null ? "is gone" : code(text ?? bytes));
  const who = slot === undefined ? `seq ${seq}` : `slot ${slot}`;
  const by = document.createElement("span");
  by.className = "what";
  by.textContent = `${author.slice(0, 8)}…, ${who}`;
  item.append(when, what, by);
  return item;
}
