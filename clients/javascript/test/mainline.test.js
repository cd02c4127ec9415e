// BitTorrent's Mainline DHT through a real daemon, in a network on loopback.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { Author, ConflictError, InvalidRequestError, NotAllowedError, NotFoundError, Polykad } from "../src/index.js";
import { toHex } from "../src/bytes.js";
import { eventually, lacking, network } from "./daemons.js";

const HASH = "00112233445566778899aabbccddeeff00112233";

let net;
let node;

before(async () => {
  if (lacking) return;
  net = await network(4, "--network", "mainline");
  node = new Polykad(net.url);
  await eventually(async () => (await node.mainline.nodes(HASH)).nodes.length === 3);
});

after(() => net?.stop());

const live = (name, run) => test(name, { skip: lacking }, run);

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

live("who the node is and whom it knows", async () => {
  const status = await node.status();
  assert.equal(status.listen[0], net.address);
  assert.equal(await node.isReady(), true);
  const contacts = await node.mainline.contacts();
  assert.equal(contacts.length, 3);
  assert.ok(contacts.every(({ id, rtt_ms }) => id.length === 40 && rtt_ms >= 0));
});

live("a value is put and found, as text and as bytes", async () => {
  const put = await node.mainline.put("grüße");
  assert.ok(put.acknowledged.length >= 1);
  const got = await node.mainline.get(put.key);
  assert.equal(got.text, "grüße");
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const other = await node.mainline.put(bytes);
  assert.deepEqual((await node.mainline.get(other.key)).value, bytes);
  assert.equal((await node.mainline.get(other.key)).text, null);
  const number = await node.mainline.put("i42e", { bencoded: true });
  assert.equal(new TextDecoder().decode((await node.mainline.get(number.key)).bencoded), "i42e");
  // Who puts keeps nothing of it: others do.
  assert.deepEqual(await node.mainline.stored({ most: 10 }), []);
});

live("a value that is nowhere, one that is too long, a key that is none", async () => {
  await assert.rejects(node.mainline.get("ff".repeat(20)), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, "not-found");
    return true;
  });
  await assert.rejects(node.mainline.put("x".repeat(1000)), InvalidRequestError);
  await assert.rejects(node.mainline.get("xyz"), InvalidRequestError);
});

live("an author's value is replaced, and a late writer is told who won", async () => {
  const author = await Author.generate();
  await assert.rejects(node.mainline.getSigned(author.publicKey, { salt: "news" }), NotFoundError);
  await node.mainline.set(author, "first", { salt: "news" });
  await node.mainline.set(author, "second", { salt: "news" });
  const got = await node.mainline.getSigned(String(author), { salt: "news" });
  assert.deepEqual([got.seq, got.text], [2, "second"]);
  const late = await author.signItem(new TextEncoder().encode("4:late"), { salt: "news", seq: 3 });
  await assert.rejects(node.mainline.putSigned(late, { expected: 1 }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.status, 412);
    assert.equal(error.winner.seq, 2);
    return true;
  });
  const forged = { ...late, value: new TextEncoder().encode("4:evil") };
  await assert.rejects(node.mainline.putSigned(forged), { code: "bad-signature" });
});

live("peers are announced and found", async () => {
  const hash = toHex(crypto.getRandomValues(new Uint8Array(20)));
  assert.deepEqual(await all(node.mainline.peers(hash)), []);
  const stored = await node.mainline.announce(hash, { port: 4711, seed: true });
  assert.ok(stored.acknowledged.length >= 1);
  assert.deepEqual(await all(node.mainline.peers(hash)), ["127.78.0.1:4711"]);
  const { seeds, nodes } = await node.mainline.scrape(hash);
  assert.ok(seeds > 0.5 && nodes >= 1);
  const samples = await all(node.mainline.samples(hash));
  assert.ok(samples.some(({ info_hashes: hashes }) => hashes.includes(hash)));
});

live("an announcement lasts as long as its loop", async () => {
  const hash = toHex(crypto.getRandomValues(new Uint8Array(20)));
  for await (const { stored } of node.mainline.announcing(hash, { port: 4712 })) {
    assert.ok(stored.acknowledged.length >= 1);
    break;
  }
  assert.deepEqual(await all(node.mainline.peers(hash)), ["127.78.0.1:4712"]);
});

live("a lookup step by step, and one address by itself", async () => {
  const steps = await all(node.mainline.trace(HASH));
  assert.ok(steps.some(({ step }) => step === "asked"));
  assert.ok(steps.some(({ step }) => step === "answered"));
  const pong = await node.mainline.ping(net.daemons[1].address);
  assert.equal(pong.address, net.daemons[1].address);
  assert.equal(pong.id.length, 40);
  assert.ok((await node.mainline.sample(net.daemons[1].address)).total >= 0);
});

live("the node live, until the signal", async () => {
  const ends = new AbortController();
  const seen = new Set();
  await assert.rejects(async () => {
    for await (const { event } of node.live({ signal: ends.signal })) {
      seen.add(event);
      if (seen.has("status")) ends.abort();
    }
  }, { name: "AbortError" });
  assert.ok(seen.has("history"));
});

live("a gateway that only reads, and a token", async (t) => {
  const guarded = await network(1, "--network", "mainline", "--http-read-only");
  t.after(guarded.stop);
  await assert.rejects(new Polykad(guarded.url).mainline.put("x"), (error) => {
    assert.ok(error instanceof NotAllowedError);
    assert.equal(error.code, "read-only");
    return true;
  });
  assert.equal(await new Polykad(guarded.url).isReady(), false);
});
