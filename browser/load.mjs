// Gets through HTTP at a steady rate, while watchers hang on, slow readers read, and idle
// connections come and go. See README.md.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { parseArgs } from "node:util";

import { startNetwork, until } from "./network.mjs";

const { values: options } = parseArgs({
  options: {
    polykad: { type: "string", default: "../target/release/polykad" },
    /** The load generator, Debian's package `hey`. */
    hey: { type: "string", default: "hey" },
    nodes: { type: "string", default: "8" },
    watchers: { type: "string", default: "200" },
    rate: { type: "string", default: "5000" },
    seconds: { type: "string", default: "20" },
    idle: { type: "string", default: "10000" },
    /** Minutes of a fifth of the rate at the end, to see whether memory stays flat. */
    flat: { type: "string", default: "0" },
  },
});

/** Connections that ask; each asks its share of the rate. */
const ASKERS = 25;
const network = await startNetwork(options.polykad, Number(options.nodes));
await until(`${network.url}/v1/poly/contacts`, ({ contacts }) => contacts.length >= 5);
const { hostname, port } = new URL(network.url);
const pid = network.nodes[0].child.pid;
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

const residentKib = () => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]);
const cpuSeconds = () => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/** Runs the generator beside this program, which reads what watchers are told meanwhile. */
function generate(url, seconds = options.seconds, rate = Number(options.rate)) {
  const each = Math.round(rate / ASKERS);
  const words = ["-z", `${seconds}s`, "-c", String(ASKERS), "-q", String(each), url];
  const child = spawn(options.hey, words, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  child.stdout.on("data", (data) => (told += data));
  return new Promise((resolve) => child.once("exit", () => resolve(told)));
}

async function measure(what, url) {
  const [before, cpu] = [residentKib(), cpuSeconds()];
  const told = await generate(url);
  const number = (pattern) => Number(told.match(pattern)?.[1] ?? NaN);
  const rate = number(/Requests\/sec:\s+([\d.]+)/);
  const [p50, p99] = [number(/50% in ([\d.]+) secs/), number(/99% in ([\d.]+) secs/)];
  const statuses = [...told.matchAll(/\[(\d+)\]\s+(\d+) responses/g)].map(([, status, count]) => `${status}: ${count}`);
  const micros = (1e6 * (cpuSeconds() - cpu)) / (rate * Number(options.seconds));
  console.log(
    `${what}: ${rate.toFixed(0)}/s, p50 ${(1e3 * p50).toFixed(2)} ms, p99 ${(1e3 * p99).toFixed(2)} ms, ` +
      `${micros.toFixed(0)} µs of CPU each, ${statuses.join(", ")}${told.includes("Error distribution") ? ", ERRORS" : ""}; ` +
      `resident ${before} KiB before, ${residentKib()} after`,
  );
}

const put = await fetch(`${network.url}/v1/poly/values`, { method: "POST", body: "x".repeat(1024) });
const { key } = await put.json();
const value = `${network.url}/v1/poly/values/${key}`;
const long = await fetch(`${network.url}/v1/poly/values`, { method: "POST", body: "y".repeat(65536) });
const { key: longKey } = await long.json();

await measure("alone", value);
let told = 0;
for (let number = 0; number < Number(options.watchers); number += 1) {
  const path = number % 2 ? "/v1/live" : `/v1/poly/topics/name:load${number % 10}/watch`;
  request({ hostname, port, path, headers: { accept: "text/event-stream" } }, (answer) => {
    answer.on("data", (data) => (told += data.length));
  }).end();
}
await pause(2);
await measure(`${options.watchers} watchers`, value);
for (let number = 0; number < 20; number += 1) {
  const socket = connect(port, hostname);
  socket.on("error", () => {});
  socket.pause();
  const ask = `GET /v1/poly/values/${longKey} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`;
  socket.write(ask.repeat(50));
}
await pause(1);
await measure("and 20 who ask much and read nothing", value);
const idle = [];
for (let number = 0; number < Number(options.idle); number += 1) {
  const socket = connect(port, hostname);
  socket.on("error", () => {});
  idle.push(socket);
  if (number % 100 === 99) await pause(0.02);
}
await measure(`and ${options.idle} idle connections`, value);
idle.forEach((socket) => socket.destroy());
const minutes = Number(options.flat);
if (minutes) {
  const sizes = [];
  const timer = setInterval(() => sizes.push(residentKib()), 30_000);
  await generate(value, 60 * minutes, Number(options.rate) / 5);
  clearInterval(timer);
  console.log(`resident every 30 s of ${minutes} minutes, KiB: ${sizes.join(" ")}`);
}
const stopped = told;
await pause(3);
console.log(`watchers are still told: ${told > stopped}; ${told} bytes in all`);
network.stop();
process.exit(0);
