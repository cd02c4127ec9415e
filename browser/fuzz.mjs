// The API against its own description: Schemathesis sends valid and hostile requests. See README.md.

import { execFileSync, spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

import { startNetwork, until } from "./network.mjs";

const { values: options } = parseArgs({
  options: {
    polykad: { type: "string", default: "../target/release/polykad" },
    schemathesis: { type: "string", default: "st" },
    /** How many requests of the fuzzing phase each operation gets at most. */
    examples: { type: "string", default: "400" },
    /** How many requests the node must have answered in the end. */
    least: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    nodes: { type: "string", default: "8" },
  },
});

/** What ends only with its connection: a request for it would wait for ever. */
const ENDLESS = ["live", "announce", "watch_record", "watch_record_by_key", "watch_topic"];
/** What patterns can't say makes requests fail that fit the description: a signature is right or wrong. */
const UNSAYABLE = "positive_data_acceptance";

const network = await startNetwork(options.polykad, Number(options.nodes));
await until(`${network.url}/v1/status`, (status) => status.mainline.v4.good >= 5);
await until(`${network.url}/v1/poly/contacts`, ({ contacts }) => contacts.length >= 5);
const version = execFileSync(options.schemathesis, ["--version"], { encoding: "utf8" }).trim();
console.log(`${version}, against ${network.url}, ${options.nodes} nodes`);
const words = ["run", `${network.url}/v1/openapi.json`];
ENDLESS.forEach((operation) => words.push("--exclude-operation-id", operation));
words.push("--exclude-checks", UNSAYABLE, "--max-examples", options.examples, "--seed", options.seed);
words.push("--workers", "1", "--request-timeout", "45", "--phases", "examples,coverage,fuzzing");
const { status } = spawnSync(options.schemathesis, words, { stdio: "inherit" });
// The connection from before has been idle for long.
const metrics = () => fetch(`${network.url}/metrics`).then((response) => response.text());
const told = await metrics().catch(metrics);
const answers = [...told.matchAll(/^polykad_http_responses_total\{class="(\dxx)"\} (\d+)$/gm)];
const total = answers.reduce((sum, [, , count]) => sum + Number(count), 0);
const faults = Number(answers.find(([, of]) => of === "5xx")?.[2] ?? 0);
console.log(`${total} requests answered: ${answers.map(([, of, count]) => `${count} with ${of}`).join(", ")}`);
if (total < Number(options.least)) console.error(`fewer than ${options.least}: give more --examples`);
network.stop();
process.exit(status || total < Number(options.least) || faults ? 1 : 0);
