// A new user's first minutes, word for word: the README's first command in a terminal, the page it
// shows, a value put there by hand; the demo kills nodes, then all; the value is still there, for
// the page, curl, the program, Python and JavaScript. See README.md.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

const { values: options } = parseArgs({
  options: {
    /** A clone of the repository, where `cargo xtask wheel` has been run. */
    folder: { type: "string", default: join(import.meta.dirname, "..") },
    /** A Python that has the wheel. Default: the one that `cargo xtask wheel` tried it in. */
    python: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    /** Where screenshots go. */
    shots: { type: "string" },
    /** How long the first command may build, in minutes. */
    patience: { type: "string", default: "60" },
  },
});

const folder = resolve(options.folder);
const python = options.python ?? join(folder, "target/wheel-tried/bin/python");
const program = join(folder, "target/release/polykad");
const [, command] = readFileSync(join(folder, "README.md"), "utf8").match(/^```\n(.*)$/m);
const MINUTE = 60_000;
let passed = 0;

async function check(what, act) {
  await act();
  passed += 1;
  console.log(`ok ${passed} ${what}`);
}

/** A command in a terminal: what it has said so far, and keys. */
function terminal(command) {
  const sized = `stty cols 110 rows 40; ${command}`;
  const child = spawn("script", ["--quiet", "--flush", "--return", "--command", sized, "/dev/null"], {
    cwd: folder,
    env: { ...process.env, TERM: "xterm-256color" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill());
  const screen = { said: "", child, ended: new Promise((resolve) => child.once("exit", resolve)) };
  child.stdout.setEncoding("utf8").on("data", (text) => (screen.said += text));
  return screen;
}

async function says(screen, pattern, limit) {
  for (const end = Date.now() + limit; ; ) {
    const found = screen.said.match(pattern);
    if (found) return found;
    const tail = screen.said.slice(-800);
    assert.ok(screen.child.exitCode === null, `it has ended with ${screen.child.exitCode}: ${tail}`);
    assert.ok(Date.now() < end, `it has not said ${pattern}: ${tail}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function shoot(page, name) {
  if (!options.shots) return;
  mkdirSync(options.shots, { recursive: true });
  await page.screenshot({ path: `${options.shots}/${name}.png`, fullPage: true });
}

/** Puts a value by hand; its key. */
async function put(page, value) {
  await page.fill("#put-value", value);
  await page.click("#put-form [type=submit]");
  await page.waitForSelector("#put-result code");
  return page.locator("#put-result code").innerText();
}

const run = (...words) => execFileSync(words[0], words.slice(1), { encoding: "utf8", cwd: folder });

/** The same value, read from everywhere. */
async function readEverywhere(page, url, key, value) {
  await check("the page reads it", async () => {
    await page.waitForFunction(() => document.querySelector("#state").textContent === "live");
    await page.fill("#get-key", key);
    await page.click("#get-form [type=submit]");
    await page.waitForSelector("#get-result code");
    assert.equal(await page.locator("#get-result code").innerText(), value);
  });
  await check("curl reads it", async () => {
    assert.equal(run("curl", "--silent", `${url}/v1/poly/values/${key}`), value);
  });
  await check("the program reads it", async () => {
    // At the usual address it finds the daemon by itself.
    const where = url.endsWith(":6880") ? [] : ["--daemon", url];
    assert.equal(run(program, "get", key, ...where), value);
  });
  await check("Python reads it", async () => {
    const script = `import polykad; print(polykad.Client("${url}").poly.get("${key}").text, end="")`;
    assert.equal(run(python, "-c", script), value);
  });
  await check("JavaScript reads it", async () => {
    const { Polykad } = await import(join(folder, "clients/javascript/src/index.js"));
    assert.equal((await new Polykad(url).poly.get(key)).text, value);
  });
}

async function main() {
  const launch = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launch({ executablePath: options.chromium, args: launch });
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  console.log(`${command}, in ${folder}`);
  const screen = terminal(command);
  let url = "";
  await check("the README's first command shows where the page is", async () => {
    [, url] = await says(screen, /(http:\/\/127\.0\.0\.1:\d+)\//, Number(options.patience) * MINUTE);
  });
  const value = `put by hand, ${new Date().toISOString()} ☺`;
  let key = "";
  await check("the page opens, and takes a value before any node dies", async () => {
    await page.goto(url);
    await page.waitForSelector(".pill.on");
    key = await put(page, value);
    assert.match(key, /^[0-9a-f]{64}$/);
    assert.ok(!screen.said.includes("kill -9"), "a node has died already");
    await shoot(page, "walk-before");
  });
  await check("nodes are killed, and the page goes on", async () => {
    await says(screen, /✓.* kill -9 .*without a goodbye/, 5 * MINUTE);
    await shoot(page, "walk-killed");
  });
  await check("then all, and all come back with everything", async () => {
    await says(screen, /nothing runs any more/, 5 * MINUTE);
    await says(screen, /Every one of the \d+ acknowledged values was found/, 5 * MINUTE);
    await says(screen, /The dashboard stays at/, MINUTE);
  });
  await readEverywhere(page, url, key, value);
  await shoot(page, "walk-after");
  await check("ctrl-c ends it", async () => {
    screen.child.stdin.write("\x03");
    assert.equal(await screen.ended, 0, screen.said.slice(-300));
  });
  await browser.close();
  console.log(`${passed} passed, 0 failed`);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exit(1);
});
