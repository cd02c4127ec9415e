// The dashboard in headless Chromium, over a live network on loopback. See README.md.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

import { startNetwork, until } from "./network.mjs";

const { values: options } = parseArgs({
  options: {
    polykad: { type: "string", default: "../target/release/polykad" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    nodes: { type: "string", default: "30" },
    shots: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1360, height: 900 };
const PHONE = { width: 390, height: 844 };
let passed = 0;

async function check(what, act) {
  await act();
  passed += 1;
  console.log(`ok ${passed} ${what}`);
}

/** What must not happen while a page is open. */
function guard(page, origin) {
  const troubles = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    const isOurs = url.origin === origin || url.protocol === "data:";
    if (!isOurs) troubles.push(`request to ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) troubles.push(`${response.status()} ${response.url()}`);
  });
  return troubles;
}

const text = (page, selector) => page.locator(selector).innerText();
const number = async (page, selector) => parseFloat(await text(page, selector));

async function accessible(page, what) {
  await check(`${what}: axe-core finds nothing serious`, async () => {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate("axe.run()");
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(told, []);
  });
}

async function shoot(page, name, full = true) {
  if (!options.shots) return;
  mkdirSync(options.shots, { recursive: true });
  await page.screenshot({ path: `${options.shots}/${name}.png`, fullPage: full });
}

/** Values and torrents of others, so that there is something to see: who puts keeps none itself. */
function populate(network) {
  const words = ["mainline", "--no-default-bootstrap", "--timeout", "10s", "--bootstrap"];
  const run = (...more) => execFileSync(options.polykad, [...words, ...more], { stdio: "ignore" });
  network.nodes.slice(1, 25).forEach(({ address }, at) => {
    run(address, "put", `value ${at}`);
    if (at % 2) run(address, "announce", at.toString(16).repeat(40).slice(0, 40), "--once", "--port", "4711");
  });
}

/** The same in Polykad's own network. */
function populatePoly(network) {
  network.key = join(mkdtempSync(join(tmpdir(), "polykad-")), "author.key");
  execFileSync(options.polykad, ["mainline", "keygen", network.key], { stdio: "ignore" });
  const through = ["--bootstrap", network.nodes[3].poly];
  for (let at = 0; at < 12; at += 1) {
    execFileSync(options.polykad, ["put", ...through], { input: `value ${at}`, stdio: ["pipe", "ignore", "inherit"] });
    const words = ["topic", "announce", `topic ${at}`, "hello", "--key-file", network.key];
    execFileSync(options.polykad, [...words, ...through], { stdio: "ignore" });
  }
}

/** Queries of others, some of them wrong, so that the charts move. */
function disturb(network) {
  const [first, ...others] = network.nodes;
  const words = ["mainline", "--no-default-bootstrap", "--bootstrap", first.address, "--timeout", "5s"];
  for (const { address } of others.slice(0, 5)) {
    execFileSync(options.polykad, [...words, "ping", first.address], { stdio: "ignore" });
    execFileSync(options.polykad, [...words, "find-node", "11".repeat(20)], { stdio: "ignore" });
    execFileSync(options.polykad, [...words, "sample", address], { stdio: "ignore" });
  }
  const [host, port] = first.address.split(":");
  execFileSync("python3", ["-c", `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for m in [b"nonsense", b"d1:q3:foo1:t1:x1:y1:qe", b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q3:foo1:t1:x1:y1:qe"] * 4:
    s.sendto(m, ("${host}", ${port}))
`]);
}

async function panels(page, url) {
  const status = await (await fetch(`${url}/v1/status`)).json();
  await check("identity: the id and the address are those of the API", async () => {
    const who = await text(page, "#who");
    assert.ok(who.includes(status.mainline.v4.id), who);
    assert.ok(who.includes(status.listen[0]), who);
  });
  await check("glance: as many contacts as the API says", async () => {
    const { contacts } = await (await fetch(`${url}/v1/mainline/contacts`)).json();
    const shown = await number(page, "#g-contacts");
    assert.ok(shown > 10 && Math.abs(shown - contacts.length) <= 3, `${shown} of ${contacts.length}`);
  });
  await check("key space: every contact, the node itself, its region, what it stores", async () => {
    await page.waitForFunction(() => document.querySelectorAll("#ring .r-contact").length > 10);
    const count = (selector) => page.locator(selector).count();
    assert.ok((await count("#ring .r-contact")) > 10);
    assert.equal(await count("#ring .r-me"), 1);
    assert.equal(await count("#ring .r-region"), 1);
    assert.ok((await count("#ring .r-value")) > 0, "values stored");
    assert.ok((await count("#ring .r-torrent")) > 0, "torrents stored");
    assert.ok((await count("#distance .r-contact")) > 10);
  });
  await check("charts: lines of the last minutes", async () => {
    for (const chart of ["#c-datagrams", "#c-queries", "#c-latency"]) {
      assert.ok((await page.locator(`${chart} .plot`).count()) > 0, chart);
    }
  });
  await check("what others asked, what was refused and why", async () => {
    assert.ok((await text(page, "#methods")).includes("find_node"));
    const refused = await text(page, "#refusals");
    assert.ok(refused.includes("none of the protocol"), refused);
    assert.ok(refused.includes("a method this node does not know"), refused);
  });
}

async function operations(page) {
  await check("what the owner asked for, with outcomes and times", async () => {
    await page.waitForFunction(() => document.querySelector("#operations").textContent.includes("put"));
    const told = await text(page, "#operations");
    for (const kind of ["trace", "put", "get"]) assert.ok(told.includes(kind), told);
    await page.waitForFunction(() => document.querySelectorAll("#c-latency .point").length > 0);
  });
}

/** Shows one of the networks. */
async function choose(page, name) {
  await page.click(`#tab-${name}`);
  await page.waitForFunction((name) => document.documentElement.dataset.network === name, name);
}

async function polyPanels(page, url) {
  const { poly } = await (await fetch(`${url}/v1/status`)).json();
  await check("poly: identity, glance and key space are those of the API", async () => {
    const who = await text(page, "#who");
    assert.ok(who.includes(poly.id) && who.includes(poly.listen[0]), who);
    const shown = await number(page, "#g-contacts");
    assert.ok(shown > 10 && Math.abs(shown - poly.contacts) <= 3, `${shown} of ${poly.contacts}`);
    await page.waitForFunction(() => document.querySelectorAll("#ring .r-contact").length > 10);
    assert.equal(await page.locator("#ring .r-me").count(), 1);
    assert.equal(await page.locator("#ring .r-region").count(), 1);
    assert.ok((await page.locator("#ring .r-value").count()) > 0, "values stored");
    assert.ok((await page.locator("#ring .r-torrent").count()) > 0, "entries stored");
    assert.ok((await page.locator("#distance .r-contact").count()) > 10);
  });
  await check("poly: charts, and what others asked", async () => {
    for (const chart of ["#c-datagrams", "#c-queries", "#c-latency"]) {
      assert.ok((await page.locator(`${chart} .plot`).count()) > 0, chart);
    }
    const methods = await text(page, "#methods");
    for (const method of ["ping", "find", "put"]) assert.ok(methods.includes(method), methods);
  });
}

async function polyByHand(page, network) {
  await check("poly: a value put by hand is read by hand, by curl and by the program", async () => {
    const value = `by hand in poly, ${process.pid} ☺`;
    await page.fill("#put-value", value);
    await page.selectOption("#put-lifetime", "3600");
    await page.click("#put-form [type=submit]");
    await page.waitForSelector("#put-result code");
    const key = await text(page, "#put-result code");
    assert.match(key, /^[0-9a-f]{64}$/);
    await page.click("#get-form [type=submit]");
    await page.waitForSelector("#get-result code");
    assert.equal(await text(page, "#get-result code"), value);
    const run = (...words) => execFileSync(words[0], words.slice(1), { encoding: "utf8" });
    assert.equal(run("curl", "-s", `${network.url}/v1/poly/values/${key}`), value);
    assert.equal(run(options.polykad, "get", key, "--daemon", network.url), value);
    assert.equal(run(options.polykad, "get", key, "--bootstrap", network.nodes[9].poly), value);
    await page.click("#put-result .link");
    await page.waitForFunction(() => document.querySelector("#lookup-summary").textContent.startsWith("Done"));
    assert.ok((await page.locator("#ring .r-holder").count()) >= 8);
  });
  await check("poly: a lookup of a value is told step by step, up to the one who has it", async () => {
    await page.selectOption("#lookup-quest", "value");
    await page.click("#lookup-form [type=submit]");
    await page.waitForFunction(() => document.querySelector("#lookup-steps").textContent.includes("has it"));
    await page.waitForFunction(() => document.querySelector("#lookup-summary").textContent.startsWith("Done"));
    assert.match(await text(page, "#lookup-summary"), /[1-9]\d* of them ha(s|ve) it/);
  });
  await check("poly: a watch shows what is there, what is new, and stops", async () => {
    const announce = (slot, payload) => {
      const words = ["topic", "announce", "chess", payload, "--key-file", network.key, "--slot", slot];
      execFileSync(options.polykad, [...words, "--daemon", network.url], { stdio: "ignore" });
    };
    announce("1", "I was here");
    await page.fill("#watch-name", "chess");
    await page.click("#watch-form [type=submit]");
    const shows = (words) =>
      page.waitForFunction((words) => document.querySelector("#watch-changes").textContent.includes(words), words);
    await shows("I was here");
    announce("2", "a new move");
    await shows("a new move");
    await page.click("#watch-stop");
    await page.waitForFunction(() => document.querySelector("#watch-result").textContent === "Stopped.");
  });
  await check("poly: a key that nobody holds is told in words", async () => {
    await page.fill("#get-key", "00".repeat(32));
    await page.click("#get-form [type=submit]");
    await page.waitForFunction(() => document.querySelector("#get-result").textContent.includes("not found"));
  });
}

async function lookup(page) {
  await check("lookup: plays hop by hop", async () => {
    await page.fill("#lookup-key", "c0ffee".repeat(7).slice(0, 40));
    await page.press("#lookup-key", "Enter");
    await page.waitForFunction(() => document.querySelectorAll("#lookup-steps li").length > 2);
    const early = await page.locator("#lookup-steps li").count();
    await page.waitForTimeout(1200);
    await shoot(page, "lookup", false);
    await page.waitForFunction(() => document.querySelector("#lookup-summary").textContent.startsWith("Done"));
    const late = await page.locator("#lookup-steps li").count();
    assert.ok(late > early, `${late} steps at the end, ${early} at the beginning`);
    assert.ok((await page.locator("#ring .r-ask.answered").count()) >= 8);
    assert.equal(await page.locator("#ring .r-holder").count(), 8);
  });
}

async function byHand(page, network) {
  await check("a value put by hand is read by hand, by the API and by the program", async () => {
    const value = `by hand, ${process.pid}`;
    await page.fill("#put-value", value);
    await page.click("#put-form [type=submit]");
    await page.waitForSelector("#put-result code");
    const key = await text(page, "#put-result code");
    await page.click("#get-form [type=submit]");
    await page.waitForSelector("#get-result code");
    assert.equal(await text(page, "#get-result code"), value);
    const item = await (await fetch(`${network.url}/v1/mainline/items/${key}`)).json();
    assert.equal(item.text, value);
    const words = ["mainline", "get", key, "--no-default-bootstrap", "--bootstrap", network.nodes[9].address];
    assert.equal(execFileSync(options.polykad, words, { encoding: "utf8" }), value);
    await page.click("#put-result .link");
    await page.waitForFunction(() => document.querySelector("#lookup-summary").textContent.startsWith("Done"));
    assert.ok((await text(page, "#lookup-steps")).includes("has it"));
  });
  await check("a key that nobody holds is told in words", async () => {
    await page.fill("#get-key", "00".repeat(20));
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().includes("/items/")),
      page.click("#get-form [type=submit]"),
    ]);
    assert.equal(answer.status(), 404);
    await page.waitForFunction(() => document.querySelector("#get-result").textContent.includes("not found"));
  });
}

async function keyboard(page) {
  await check("keyboard: everything that acts is reached by Tab", async () => {
    await page.evaluate(() => document.activeElement.blur());
    const reached = new Set();
    for (let at = 0; at < 40; at += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
    }
    for (const id of ["theme", "tab-mainline", "lookup-key", "lookup-random", "lookup-quest", "put-value", "get-key"]) {
      assert.ok(reached.has(id), `${id} of ${[...reached]}`);
    }
  });
}

async function main() {
  const network = await startNetwork(options.polykad, Number(options.nodes));
  console.log(`${network.nodes.length} nodes, ${network.url}`);
  await until(`${network.url}/v1/status`, (status) => status.mainline.v4.good >= 12);
  await until(`${network.url}/v1/poly/contacts`, ({ contacts }) => contacts.length >= 12);
  populate(network);
  populatePoly(network);
  disturb(network);
  const launch = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ];
  const browser = await chromium.launch({ executablePath: options.chromium, args: launch });
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.newPage({ colorScheme, viewport: WIDE });
    const troubles = guard(page, network.url);
    await page.goto(network.url);
    await page.waitForSelector(".pill.on");
    await page.waitForTimeout(4000);
    if (colorScheme === "light") {
      await polyPanels(page, network.url);
      await accessible(page, "light, poly");
      await choose(page, "mainline");
      await panels(page, network.url);
      await lookup(page);
      await accessible(page, "light");
      await byHand(page, network);
      await operations(page);
      await keyboard(page);
      await choose(page, "poly");
      await polyByHand(page, network);
    } else {
      await accessible(page, "dark, poly");
      await choose(page, "mainline");
      await lookup(page);
      await accessible(page, "dark");
    }
    await shoot(page, colorScheme);
    const told = troubles.filter((trouble) => !trouble.includes("404"));
    await check(`${colorScheme}: a clean console, and no request elsewhere`, async () => assert.deepEqual(told, []));
    await page.close();
  }
  const phone = await browser.newPage({ colorScheme: "light", viewport: PHONE, deviceScaleFactor: 2 });
  const troubles = guard(phone, network.url);
  await phone.goto(network.url);
  await phone.waitForSelector(".pill.on");
  await phone.waitForTimeout(4000);
  await check("phone: nothing is wider than the screen", async () => {
    const width = await phone.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= PHONE.width, `${width} of ${PHONE.width}`);
  });
  await accessible(phone, "phone");
  await shoot(phone, "phone");
  await check("phone: a clean console, and no request elsewhere", async () => assert.deepEqual(troubles, []));
  await browser.close();
  if (options.keep) {
    console.log(`running at ${network.url}`);
    return;
  }
  network.stop();
  console.log(`${passed} passed, 0 failed`);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exit(1);
});
