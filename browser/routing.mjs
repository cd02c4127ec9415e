// The delegated routing API of IPFS, used by Helia's own client. See README.md.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { delegatedRoutingV1HttpApiClient } from "@helia/delegated-routing-v1-http-api-client";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { createIPNSRecord, marshalIPNSRecord, unmarshalIPNSRecord } from "ipns";
import { CID } from "multiformats/cid";
import { sha256 } from "multiformats/hashes/sha2";

import { startNetwork, until } from "./network.mjs";

const { values: options } = parseArgs({
  options: { polykad: { type: "string", default: "../target/release/polykad" } },
});

// The client wants Node 22, Debian has an older one.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

let passed = 0;

async function check(what, act) {
  await act();
  passed += 1;
  console.log(`ok ${passed} ${what}`);
}

const hex = (bytes) => Buffer.from(bytes).toString("hex");

async function all(found) {
  const list = [];
  for await (const one of found) list.push(one);
  return list;
}

async function main() {
  const network = await startNetwork(options.polykad, 8);
  await until(`${network.url}/v1/poly/contacts`, ({ contacts }) => contacts.length >= 5);
  const seed = new Uint8Array(32).fill(9);
  const privateKey = await generateKeyPairFromSeed("Ed25519", seed);
  const id = peerIdFromPrivateKey(privateKey);
  const keyFile = join(mkdtempSync(join(tmpdir(), "polykad-")), "peer.key");
  writeFileSync(keyFile, `${hex(seed)}\n`, { mode: 0o600 });
  const run = (...words) => execFileSync(options.polykad, [...words, "--daemon", network.url]);
  const client = delegatedRoutingV1HttpApiClient({ url: network.url })({ logger: quiet });
  await client.start?.();
  const cid = CID.createV1(0x55, await sha256.digest(new TextEncoder().encode("content")));
  const address = "/ip4/192.0.2.9/tcp/4001";

  await check("nobody provides it yet", async () => {
    assert.deepEqual(await all(client.getProviders(cid)), []);
  });
  await check("a provider that has announced itself is found, with its peer id", async () => {
    const topic = `ipfs/providers/${hex(cid.multihash.bytes)}`;
    run("topic", "announce", topic, address, "--key-file", keyFile);
    const [provider, ...others] = await all(client.getProviders(cid));
    assert.equal(others.length, 0);
    assert.ok(id.toCID().equals(provider.ID));
    assert.deepEqual(provider.Addrs.map(String), [address]);
  });
  await check("a peer is found where it says it is", async () => {
    assert.deepEqual(await all(client.getPeers(id.toCID())), []);
    run("record", "set", `${address}\n/dns4/a.example/tcp/443/wss`, "--salt", "ipfs/addrs", "--key-file", keyFile);
    const [peer] = await all(client.getPeers(id.toCID()));
    assert.ok(id.toCID().equals(peer.ID));
    assert.equal(peer.Addrs.length, 2);
  });
  await check("an IPNS record is published and resolved, the newest one", async () => {
    await assert.rejects(client.getIPNS(id.toCID()), { name: "NotFoundError" });
    const record = async (value, sequence) =>
      marshalIPNSRecord(await createIPNSRecord(privateKey, value, sequence, 3_600_000));
    await client.putIPNS(id.toCID(), await record("/ipfs/bafkqaaa", 1n));
    await client.putIPNS(id.toCID(), await record("/ipfs/bafkqaba", 2n));
    const found = unmarshalIPNSRecord(await client.getIPNS(id.toCID()));
    assert.equal(found.sequence, 2n);
    await assert.rejects(client.putIPNS(id.toCID(), await record("/ipfs/bafkqaaa", 1n)));
    const forged = await record("/ipfs/bafkqaca", 3n);
    forged[forged.length - 1] ^= 1;
    await assert.rejects(client.putIPNS(id.toCID(), forged));
  });
  network.stop();
  console.log(`${passed} passed, 0 failed`);
  process.exit(0);
}

const silent = Object.assign(() => {}, { error() {}, trace() {}, newScope: () => silent });
const quiet = { forComponent: () => silent };

main().catch((error) => {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exit(1);
});
