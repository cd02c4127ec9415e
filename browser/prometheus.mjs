// A real Prometheus scrapes a node; promtool checks what it is told, and every number that the
// dashboard gets is looked for in what Prometheus has. See README.md.

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

/** Limits of latency that operations are counted by, in seconds, as the metrics name them. */
const LIMITS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** How often a pair of looks may miss a number that goes up and down in between. */
const TRIES = 20;

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
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ask = async (query) => {
  const url = `${prometheus}/query?query=${encodeURIComponent(query)}`;
  return (await (await fetch(url)).json()).data.result;
};
const page = async () => (await fetch(`${network.url}/metrics`)).text();
const look = async () => (await fetch(`${network.url}/v1/status`)).json();

/** Something of everything, so that few numbers are zero. */
async function bustle() {
  const api = (path, options) => fetch(network.url + path, options);
  const bytes = { "content-type": "application/octet-stream" };
  for (const path of ["/v1/poly/values", "/v1/mainline/items"]) {
    const put = await (await api(path, { method: "POST", body: `of ${path}`, headers: bytes })).json();
    await api(`${path}/${put.key}`);
    await api(`${path}/${"00".repeat(put.key.length / 2)}`);
  }
  await api(`/v1/mainline/peers/${"ab".repeat(20)}`).then((answer) => answer.text());
  const [first, other] = network.nodes;
  const mainline = (...words) => execFileSync(options.polykad, ["mainline", ...words, "--no-default-bootstrap"], { stdio: "ignore" });
  mainline("ping", first.address, "--bootstrap", other.address);
  mainline("put", "of another", "--bootstrap", first.address);
  execFileSync(options.polykad, ["put", "--bootstrap", first.poly], { input: "of another", stdio: ["pipe", "ignore", "inherit"] });
  const [host, port] = first.address.split(":");
  execFileSync("python3", ["-c", `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for m in [b"nonsense", b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q3:foo1:t1:x1:y1:qe"] * 3:
    s.sendto(m, ("${host}", ${port}))
`]);
}

/** What metrics say of one number of the status: by its path, the series, and by how much they differ. */
function seriesOf(path, status) {
  const [head, second, third, fourth] = path;
  const of = (name, labels = {}) => [{ name, labels }];
  if (head === "uptime_ms") return { series: of("uptime_seconds"), factor: 1000 };
  if (head === "traffic") {
    const bytes = second.endsWith("_bytes");
    return { series: of(bytes ? `${second}_total` : `datagrams_${second}_total`) };
  }
  if (head === "dropped") return { series: of("dropped_total", { reason: second }) };
  if (head === "disk") return { series: of("disk_bytes") };
  const labels = { network: head };
  const kinds = { info_hashes: "torrents", peers: "peers", items: "items", values: "values" };
  if (kinds[second]) return { series: of("stored", { ...labels, kind: kinds[second] }) };
  if (second === "outcomes") return ofOutcomes(labels, third, fourth, path[4]);
  if (["v4", "v6"].includes(second)) return ofSide({ ...labels, family: `ip${second}` }, third);
  if (second === "queries") return { series: of("queries_total", { ...labels, method: third }) };
  if (["faults", "refusals"].includes(second)) {
    return { series: of("queries_refused_total", { ...labels, reason: third }) };
  }
  const limits = { limited_by_host: "host_limit", limited_by_subnet: "subnet_limit" };
  if (limits[second]) return { series: of("queries_refused_total", { ...labels, reason: limits[second] }) };
  const name = second === "messages" ? third : second;
  if (name === "refused") return { series: reasons("refusals") };
  if (name === "errors") return { series: reasons("faults") };
  const names = {
    queries: "queries_received_total", requests: "requests_sent_total", answers: "queries_answered_total",
    responses: "responses_received_total", heard: "responses_received_total", asked: "requests_sent_total",
    unsolicited: "unsolicited_total", forged: "forged_total", repaired: "repaired_total",
    operations: "operations_in_progress", value_bytes: "stored_bytes", watchers: "watchers", sessions: "sessions",
    network_size: "network_nodes",
  };
  // Poly calls what it receives requests, and what it sends asked.
  if (head === "poly" && name === "requests") return { series: of("queries_received_total", labels) };
  if (head === "poly" && ["contacts", "table"].includes(name)) {
    return { series: of("contacts", { ...labels, family: "any", state: name === "table" ? "table" : "known" }) };
  }
  return names[name] ? { series: of(names[name], labels) } : null;

  /** A sum of what is told by its reason. */
  function reasons(part) {
    const all = Object.keys(status[head][part]);
    return all.flatMap((reason) => of("queries_refused_total", { ...labels, reason }));
  }
}

function ofSide(labels, name) {
  if (name === "network_size") return { series: [{ name: "network_nodes", labels }] };
  return { series: [{ name: "contacts", labels: { ...labels, state: name } }] };
}

function ofOutcomes(labels, operation, name, place) {
  const of = (name, more = {}) => ({ name, labels: { ...labels, operation, ...more } });
  if (name === "elapsed_ms") return { series: [of("operation_duration_seconds_sum")], factor: 1000 };
  if (name !== "by_latency") return { series: [of("operations_total", { outcome: name })] };
  // Prometheus counts all up to a limit, the dashboard those between two.
  const bucket = (at) => of("operation_duration_seconds_bucket", { le: String(LIMITS[at]) });
  const below = Number(place) ? [{ ...bucket(Number(place) - 1), sign: -1 }] : [];
  return { series: [bucket(Number(place)), ...below] };
}

/** All numbers of an object, with the way to each. */
function numbers(value, path = []) {
  if (typeof value === "number") return [{ path, value }];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, part]) => numbers(part, [...path, name]));
}

/** One look at the status, one scrape by Prometheus, and a look again. */
async function compare() {
  const before = await look();
  const since = Date.now() / 1000;
  for (let tries = 0; ; tries += 1) {
    const [scraped] = await ask("timestamp(polykad_uptime_seconds)");
    if (scraped && Number(scraped.value[1]) > since) break;
    assert.ok(tries < 150, "Prometheus does not scrape any more");
    await pause(100);
  }
  const samples = await ask('{__name__=~"polykad_.*"}');
  const after = await look();
  const valueOf = ({ name, labels, sign = 1 }) => {
    const fits = ({ metric }) =>
      metric.__name__ === `polykad_${name}` && Object.entries(labels).every(([label, word]) => metric[label] === word);
    const found = samples.filter(fits);
    return found.length ? sign * found.reduce((sum, { value }) => sum + Number(value[1]), 0) : NaN;
  };
  const then = new Map(numbers(before).map(({ path, value }) => [path.join("."), value]));
  const [compared, wrong] = [[], []];
  for (const { path, value } of numbers(after)) {
    const where = seriesOf(path, after);
    const name = path.join(".");
    if (!where) {
      wrong.push(`${name} is in no metric`);
      continue;
    }
    const seen = where.series.reduce((sum, series) => sum + valueOf(series), 0) * (where.factor ?? 1);
    const [least, most] = [Math.min(then.get(name) ?? 0, value), Math.max(then.get(name) ?? 0, value)];
    const slack = 1e-6 * Math.max(1, most);
    if (!(seen >= least - slack && seen <= most + slack)) wrong.push(`${name}: ${least} ≤ ${seen} ≤ ${most}`);
    compared.push({ name, value });
  }
  return { compared, wrong };
}

try {
  await bustle();
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
      await pause(200);
    }
  });
  await check("it holds every series of the page", async () => {
    for (let tries = 0; ; tries += 1) {
      const lines = (await page()).split("\n").filter((line) => line.startsWith("polykad_"));
      const series = await ask('{__name__=~"polykad_.*"}');
      if (series.length === lines.length) return;
      assert.ok(tries < TRIES, `${series.length} of ${lines.length}`);
      await pause(500);
    }
  });
  await check("every number of the dashboard's status is what Prometheus has", async () => {
    for (let tries = 1; ; tries += 1) {
      const { compared, wrong } = await compare();
      if (!wrong.length) {
        const above = compared.filter(({ value }) => value > 0).length;
        console.log(`     ${compared.length} numbers compared, ${above} of them above zero`);
        return;
      }
      assert.ok(tries < TRIES, wrong.join("\n"));
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
