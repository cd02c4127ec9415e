// What is computed without a node: bytes, hashes, signatures.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Author } from "../src/index.js";
import { blake3, blake3DeriveKey } from "../src/blake3.js";
import { byteString, concat, fromByteString, fromHex, toBytes, toHex } from "../src/bytes.js";

const VECTORS = new URL("../../../crates/networks/poly/vectors/values.txt", import.meta.url);
const vector = Object.fromEntries(
  readFileSync(VECTORS, "utf8").split("\n").filter((line) => line && !line.startsWith("#")).map((line) => line.split(" ")),
);
const secret = new Uint8Array(32).fill(7);

test("hexadecimal digits there and back", () => {
  assert.equal(toHex(Uint8Array.of(0, 15, 255)), "000fff");
  assert.deepEqual(fromHex("000FFf"), Uint8Array.of(0, 15, 255));
  for (const wrong of ["0", "0g", " 00"]) assert.throws(() => fromHex(wrong), TypeError);
});

test("byte strings are recognized, and nothing else", () => {
  const check = (text, expected) => {
    const bytes = fromByteString(toBytes(text));
    assert.equal(bytes && new TextDecoder().decode(bytes), expected, text);
  };
  check("5:hello", "hello");
  check("0:", "");
  for (const other of ["", ":", "05:hello", "5:hell", "5:hellos", "i5e", "-1:", "5"]) check(other, null);
  assert.deepEqual(fromByteString(byteString(Uint8Array.of(0, 255))), Uint8Array.of(0, 255));
});

test("BLAKE3 of all lengths around its blocks and chunks", () => {
  // The test vectors that BLAKE3's authors publish: bytes count up to 250 and begin again.
  const input = (length) => Uint8Array.from({ length }, (_, at) => at % 251);
  const check = (length, expected) => assert.equal(toHex(blake3(input(length))), expected, String(length));
  check(0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  check(1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  check(1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11");
  check(1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7");
  check(1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444");
  check(3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3");
  check(31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47");
});

test("keys of poly are derived as its vectors say", async () => {
  const { publicKey } = await Author.fromSeed(secret);
  assert.equal(toHex(publicKey), vector["public-key"]);
  assert.equal(toHex(blake3(toBytes("hello"))), vector["blob-key-of-hello"]);
  const record = blake3DeriveKey("polykad poly 1 record key", concat(publicKey, toBytes("salt")));
  assert.equal(toHex(record), vector["record-key-of-salt"]);
  assert.equal(toHex(blake3DeriveKey("polykad poly 1 topic key", toBytes("topic"))), vector["topic-key-of-topic"]);
});

test("records and entries are signed as poly's vectors say", async () => {
  const author = await Author.fromSeed(secret);
  const check = (signed, name) => assert.equal(toHex(signed.signature), vector[name], name);
  // Seq and expiry as they stand in the vectors' encodings.
  const expires = 0x713fb300;
  const topic = vector["topic-key-of-topic"];
  check(await author.signRecord("value", { salt: "salt", seq: 3, expires }), "record-signature");
  check(await author.signRecord(null, { salt: "salt", seq: 4, expires }), "tombstone-signature");
  check(await author.signEntry(topic, "payload", { slot: 2, seq: 5, expires }), "entry-signature");
  await assert.rejects(author.signRecord("value", { seq: 2 ** 53, expires }), RangeError);
});

test("items of Mainline are signed as BEP 44's example is", async () => {
  // BEP 44 gives the expanded secret key alone, so its key can't be made from a seed: what is
  // signed is checked instead, by the platform's own verification.
  const author = await Author.generate();
  const item = await author.signItem(toBytes("12:Hello World!"), { salt: "foobar", seq: 1 });
  const key = await crypto.subtle.importKey("raw", author.publicKey, { name: "Ed25519" }, false, ["verify"]);
  const signed = toBytes("4:salt6:foobar3:seqi1e1:v12:Hello World!");
  assert.equal(await crypto.subtle.verify({ name: "Ed25519" }, key, item.signature, signed), true);
});

test("authors come from key files, and from nothing else", async () => {
  const file = `# secret\n${toHex(secret)}\n`;
  assert.equal(String(await Author.fromKeyFile(file)), vector["public-key"]);
  for (const wrong of ["", "# secret\n", "0707"]) assert.throws(() => Author.fromKeyFile(wrong), TypeError);
  await assert.rejects(Author.fromSeed(new Uint8Array(31)), RangeError);
});

test("what the types declare is there", async () => {
  const module = await import("../src/index.js");
  const declared = readFileSync(new URL("../src/index.d.ts", import.meta.url), "utf8");
  const node = new module.Polykad();
  const made = { Polykad: node, Mainline: node.mainline, Poly: node.poly, Author: await Author.generate() };
  for (const [name, object] of Object.entries(made)) {
    const [, body] = new RegExp(`export class ${name} \\{(.*?)\\n\\}`, "s").exec(declared);
    const methods = [...body.matchAll(/^ {2}(?!static|constructor|readonly)(\w+)\(/gm)].map(([, method]) => method);
    assert.ok(methods.length > 0, name);
    for (const method of methods) assert.equal(typeof object[method], "function", `${name}.${method}`);
  }
  for (const [, name] of declared.matchAll(/^export (?:class|function) (\w+)/gm)) {
    if (!["Mainline", "Poly"].includes(name)) assert.equal(typeof module[name], "function", name);
  }
});
