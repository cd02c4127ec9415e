// A real Prometheus scrapes a node; promtool checks what it is told. See README.md.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { startNetwork, until } from "./network.mjs";

const { values: options } = parseArgs({
  options: {
    polykad: { type: "string", default: "../target/release/polykad" },
    prometheus: { type: "string", default: "prometheus" },
    promtool: { type: "string", default: "promtool" },
    port: { type: "string", default: "19090" },
  },
});

let passed = 0;

async function check(what, act) {
  await act();
  passed += 1;
  console.log(`ok ${passed} ${what}`);
}

const network = await startNetwork(options.polykad, 8);
await until(`${network.url}/v1/status`, (status) => status.mainline.v4.good >= 5);
await until(`${network.url}/v1/poly/contacts`, ({ contacts }) => contacts.length >= 5);
const folder = mkdtempSync(join(tmpdir(), "polykad-prometheus-"));
const target = network.url.replace("http://", "");
const config = join(folder, "prometheus.yml");
writeFileSync(config, `
scrape_configs:
  - job_name: polykad
    scrape_interval: 1s
    static_configs: [{ targets: ["${target}"] }]
`);
const words = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`];
const server = spawn(options.prometheus, [...words, `--web.listen-address=127.0.0.1:${options.port}`], { stdio: "ignore" });
process.once("exit", () => {
  server.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});
const prometheus = `http://127.0.0.1:${options.port}/api/v1`;
const ask = async (query) => {
  const url = `${prometheus}/query?query=${encodeURIComponent(query)}`;
  return (await (await fetch(url)).json()).data.result;
};
const page = async () => (await fetch(`${network.url}/metrics`)).text();

try {
  await check("promtool accepts the page", async () => {
    const told = execFileSync(options.promtool, ["check", "metrics"], { input: await page(), encoding: "utf8" });
    assert.equal(told, "");
  });
  await check("Prometheus scrapes it without an error", async () => {
    for (let tries = 0; ; tries += 1) {
      const targets = await fetch(`${prometheus}/targets`).then((answer) => answer.json(), () => null);
      const one = targets?.data.activeTargets[0];
      if (one?.health === "up") return assert.equal(one.lastError, "");
      assert.ok(tries < 150, JSON.stringify(one));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });
  await check("it holds every series of the page", async () => {
    const lines = (await page()).split("\n").filter((line) => line.startsWith("polykad_"));
    const series = await ask('{__name__=~"polykad_.*"}');
    assert.equal(series.length, lines.length);
  });
  await check("its counters lie between two looks at what the dashboard shows", async () => {
    const look = async () => (await fetch(`${network.url}/v1/status`)).json();
    const before = await look();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const now = async (query) => Number((await ask(query))[0].value[1]);
    const seen = {
      received: await now("polykad_datagrams_received_total"),
      poly: await now('polykad_queries_answered_total{network="poly"}'),
      mainline: await now('polykad_queries_answered_total{network="mainline"}'),
      asked: await now('polykad_requests_sent_total{network="poly"}'),
    };
    const after = await look();
    for (const [name, of] of [
      ["received", (status) => status.traffic.received],
      ["poly", (status) => status.poly.answers],
      ["mainline", (status) => status.mainline.messages.answers],
      ["asked", (status) => status.poly.asked],
    ]) {
      const [least, most] = [of(before), of(after)];
      assert.ok(least <= seen[name] && seen[name] <= most, `${name}: ${least} ${seen[name]} ${most}`);
    }
  });
  console.log(`${passed} passed, 0 failed`);
} catch (error) {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exitCode = 1;
}
network.stop();
process.exit();
