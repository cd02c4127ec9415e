// Polykad's own network through a real daemon, in a network on loopback; and the README's example.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";

import { Author, ConflictError, InvalidRequestError, NotFoundError, Polykad, recordKey, topicKey } from "../src/index.js";
import { toHex } from "../src/bytes.js";
import { eventually, lacking, network } from "./daemons.js";

const README = new URL("../../../README.md", import.meta.url);

let net;
let node;
let other;

before(async () => {
  if (lacking) return;
  net = await network(3, "--network", "poly");
  [node, other] = net.daemons.map(({ url }) => new Polykad(url));
  const knows = async ({ url }) => (await new Polykad(url).poly.contacts()).length === 2;
  await eventually(async () => (await Promise.all(net.daemons.map(knows))).every(Boolean));
});

after(() => net?.stop());

const live = (name, run) => test(name, { skip: lacking }, run);

live("values of every length up to the limit", async () => {
  for (const value of [new Uint8Array(), new TextEncoder().encode("grüße"), new Uint8Array(65_536).fill(7)]) {
    const put = await node.poly.put(value, { lifetime: 3600 });
    assert.ok(put.acknowledged.length >= 1);
    const got = await other.poly.get(put.key);
    assert.deepEqual(got.value, value);
  }
  const { key } = await node.poly.put("grüße");
  assert.equal((await other.poly.get(key)).text, "grüße");
  await assert.rejects(node.poly.put(new Uint8Array(65_537)), InvalidRequestError);
  await assert.rejects(node.poly.get("ff".repeat(32)), NotFoundError);
});

live("a record is set, replaced, deleted and set again", async () => {
  const author = await Author.generate();
  const salt = "status";
  await assert.rejects(node.poly.record(author.publicKey, { salt }), { code: "not-found" });
  assert.equal((await node.poly.set(author, "at home", { salt })).seq, 1);
  assert.equal((await other.poly.set(author, "out", { salt })).seq, 2);
  const record = await node.poly.record(String(author), { salt });
  assert.deepEqual([record.seq, record.text, record.key], [2, "out", recordKey(author.publicKey, salt)]);
  const expires = Math.floor(Date.now() / 1000) + 60;
  const late = await author.signRecord("late", { salt, seq: 9, expires });
  await assert.rejects(node.poly.putRecord(late, { expected: 1 }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.deepEqual([error.status, error.winner.seq], [412, 2]);
    return true;
  });
  const forged = { ...late, value: new TextEncoder().encode("evil") };
  await assert.rejects(node.poly.putRecord(forged), { code: "bad-signature" });
  await node.poly.delete(author, { salt });
  await assert.rejects(other.poly.record(author.publicKey, { salt }), { code: "deleted", name: "NotFoundError" });
  assert.equal((await other.poly.set(author, "back", { salt })).seq, 4);
});

live("entries of a topic come and go", async () => {
  const [one, two] = [await Author.generate(), await Author.generate()];
  await node.poly.announce(one, "chess", "white");
  await other.poly.announce(two, "chess", "black");
  const texts = async () => (await node.poly.topic("chess")).map(({ text }) => text).sort();
  assert.deepEqual(await texts(), ["black", "white"]);
  await node.poly.withdraw(one, "chess");
  assert.deepEqual(await texts(), ["black"]);
  assert.equal((await other.poly.topic("chess"))[0].topic, topicKey("chess"));
});

live("changes of a record and of a topic are told as they happen", async () => {
  const author = await Author.generate();
  await node.poly.set(author, "one");
  const versions = other.poly.watchRecord(author.publicKey);
  assert.equal((await versions.next()).value.text, "one");
  await node.poly.set(author, "two");
  assert.equal((await versions.next()).value.text, "two");
  await node.poly.delete(author);
  assert.equal((await versions.next()).value.value, null);
  await versions.return();
  const ends = new AbortController();
  const seen = [];
  await node.poly.announce(author, "news", "first", { slot: 1 });
  await assert.rejects(async () => {
    for await (const { text, payload } of other.poly.watchTopic("news", { signal: ends.signal })) {
      seen.push(payload && text);
      if (seen.length === 1) await node.poly.announce(author, "news", "second", { slot: 2 });
      if (seen.length === 2) await node.poly.withdraw(author, "news", { slot: 1 });
      if (seen.length === 3) ends.abort();
    }
  }, { name: "AbortError" });
  assert.deepEqual(seen, ["first", "second", null]);
});

live("who is where", async () => {
  const [, second] = net.daemons;
  const pong = await node.poly.ping(second.address);
  assert.equal(pong.address, second.address);
  const { nodes } = await node.poly.nodes(pong.id);
  assert.equal(nodes[0].id, pong.id);
  assert.ok((await node.poly.stored({ most: 5 })).length <= 5);
  const { key } = await node.poly.put("looked for");
  const answers = [];
  for await (const { step, holds } of node.poly.trace(key, { quest: "value" })) {
    if (step === "answered") answers.push(holds);
  }
  assert.ok(answers.includes(true));
});

test("what contradicts its key or signature is no answer", async (t) => {
  const author = await Author.generate();
  const { signature, expires, seq } = await author.signRecord("true", { seq: 1, expires: 2_000_000_000 });
  const told = { public_key: String(author), salt_hex: "", seq, expires, signature: toHex(signature) };
  const answer = { ...told, value_hex: toHex(new TextEncoder().encode("lies")), slot: 0, payload_hex: "00", topic: topicKey("x") };
  const liar = new Polykad("http://127.0.0.1:6880", { fetch: async () => Response.json({ ...answer, entries: [answer] }) });
  await assert.rejects(liar.poly.get("00".repeat(32)), { code: "forged" });
  await assert.rejects(liar.poly.record(author.publicKey), { code: "forged" });
  await assert.rejects(liar.poly.topic("x"), { code: "forged" });
});

live("the README's example runs", async () => {
  const section = readFileSync(README, "utf8").split("### From JavaScript\n")[1];
  const [, example] = /```js\n(.*?)```/s.exec(section);
  const text = example.replaceAll("http://127.0.0.1:6880", net.url)
    .replaceAll('"polykad"', JSON.stringify(new URL("../src/index.js", import.meta.url).href));
  const said = [];
  const log = console.log;
  console.log = (...words) => said.push(words.join(" "));
  try {
    await import(`data:text/javascript,${encodeURIComponent(text)}`);
  } finally {
    console.log = log;
  }
  assert.ok(said.some((line) => line.includes("hello world")), said.join("\n"));
});
