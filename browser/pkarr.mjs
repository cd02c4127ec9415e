// The relay API, used by pkarr's own JavaScript client. See README.md.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import { Pkarr, SignedPacket, generateKeyPair } from "pkarr";

import { startNetwork, until } from "./network.mjs";

const { values: options } = parseArgs({
  options: { polykad: { type: "string", default: "../target/release/polykad" } },
});

let passed = 0;

async function check(what, act) {
  await act();
  passed += 1;
  console.log(`ok ${passed} ${what}`);
}

const packetOf = (data) => ({
  id: 0,
  type: "response",
  flags: 0,
  answers: [{ name: "_matrix", type: "TXT", class: "IN", ttl: 900, data }],
});

async function main() {
  const network = await startNetwork(options.polykad, 8);
  await until(`${network.url}/v1/status`, (status) => status.mainline.v4.good >= 5);
  const keys = generateKeyPair();
  const now = Date.now() * 1000;
  const first = SignedPacket.fromPacket(keys, packetOf("first"), { timestamp: now });
  await check("a packet is published", async () => {
    const response = await Pkarr.relayPut(network.url, first);
    assert.equal(response.status, 204);
    assert.ok(Number(response.headers.get("pkarr-dht-stored-nodes")) >= 5);
  });
  await check("and resolved, with its signature", async () => {
    const packet = await Pkarr.relayGet(network.url, keys.publicKey);
    assert.equal(String(packet.resourceRecords("_matrix")[0].data), "first");
    assert.equal(packet.timestamp(), now);
  });
  await check("a newer one replaces it, an older one is refused", async () => {
    const second = SignedPacket.fromPacket(keys, packetOf("second"), { timestamp: now + 1_000_000 });
    assert.equal((await Pkarr.relayPut(network.url, second)).status, 204);
    assert.equal((await Pkarr.relayPut(network.url, first)).status, 409);
    const packet = await Pkarr.relayGet(network.url, keys.publicKey);
    assert.equal(String(packet.resourceRecords("_matrix")[0].data), "second");
  });
  network.stop();
  console.log(`${passed} passed, 0 failed`);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exit(1);
});
