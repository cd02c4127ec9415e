// Who signs: an Ed25519 key, through the platform's own cryptography.

import { blake3 } from "./blake3.js";
import { concat, digits, fromHex, toBytes, toText } from "./bytes.js";

/** What stands before the 32 bytes of a seed in PKCS #8 (RFC 8410). */
const PKCS8 = fromHex("302e020100300506032b657004220420");
const ED25519 = { name: "Ed25519" };

const encoder = new TextEncoder();

export class Author {
  #key;

  constructor(key, publicKey, seed) {
    this.#key = key;
    /** The public key, 32 bytes. */
    this.publicKey = publicKey;
    /** The secret seed, 32 bytes: who has it is the author. */
    this.seed = seed;
  }

  /** A new author. */
  static generate() {
    return Author.fromSeed(crypto.getRandomValues(new Uint8Array(32)));
  }

  /** The author of a secret seed: 32 bytes, or 64 hexadecimal digits. */
  static async fromSeed(secret) {
    const seed = Uint8Array.from(typeof secret === "string" ? fromHex(secret) : toBytes(secret));
    if (seed.length !== 32) throw new RangeError(`a seed of ${seed.length} bytes: it must have 32`);
    const key = await crypto.subtle.importKey("pkcs8", concat(PKCS8, seed), ED25519, true, ["sign"]);
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const text = atob(x.replaceAll("-", "+").replaceAll("_", "/"));
    return new Author(key, Uint8Array.from(text, (letter) => letter.charCodeAt(0)), seed);
  }

  /** The author of a key file that `polykad mainline keygen` has made. */
  static fromKeyFile(contents) {
    const text = typeof contents === "string" ? contents : toText(toBytes(contents)) ?? "";
    const lines = text.split("\n").map((line) => line.trim());
    const seed = lines.find((line) => line !== "" && !line.startsWith("#"));
    if (!/^[0-9a-f]{64}$/i.test(seed ?? "")) throw new TypeError("no key file: 64 hexadecimal digits are missing");
    return Author.fromSeed(seed);
  }

  /** The public key in hexadecimal. */
  toString() {
    return digits(this.publicKey);
  }

  async #sign(bytes) {
    return new Uint8Array(await crypto.subtle.sign(ED25519, this.#key, bytes));
  }

  /** A version of a value of Mainline, signed as BEP 44 lays it out; `value` is bencoded. */
  async signItem(value, { salt = "", seq }) {
    const salted = toBytes(salt);
    const before = salted.length === 0 ? "" : `4:salt${salted.length}:`;
    const after = `3:seqi${whole(seq)}e1:v`;
    const signature = await this.#sign(concat(encoder.encode(before), salted, encoder.encode(after), value));
    return { publicKey: this.publicKey, salt: salted, seq, value, signature };
  }

  /** A version of a record of poly; `value` null: its deletion. `expires` in unix seconds. */
  async signRecord(value, { salt = "", seq, expires }) {
    const bytes = value === null ? null : toBytes(value);
    const record = { publicKey: this.publicKey, salt: toBytes(salt), seq, expires, value: bytes };
    return { ...record, signature: await this.#sign(signableRecord(record)) };
  }

  /** An entry of a topic of poly, given by its key; `payload` null: its removal. */
  async signEntry(topicKey, payload, { slot = 0, seq, expires }) {
    const topic = typeof topicKey === "string" ? fromHex(topicKey) : toBytes(topicKey);
    const bytes = payload === null ? null : toBytes(payload);
    const entry = { publicKey: this.publicKey, topic, slot, seq, expires, payload: bytes };
    return { ...entry, signature: await this.#sign(signableEntry(entry)) };
  }
}

/** What the author of a record of poly signs. */
export function signableRecord({ salt, seq, expires, value }) {
  const head = concat(encoder.encode("polykad poly 1 record\n"), Uint8Array.of(salt.length), salt);
  return concat(head, tail(seq, expires, value));
}

/** What the author of an entry of a topic of poly signs. */
export function signableEntry({ topic, slot, seq, expires, payload }) {
  const number = Uint8Array.of(slot >> 8, slot & 255);
  return concat(encoder.encode("polykad poly 1 entry\n"), topic, number, tail(seq, expires, payload));
}

/** Whether a signature is the author's. */
export async function isSigned(publicKey, signature, bytes) {
  const key = await crypto.subtle.importKey("raw", publicKey, ED25519, false, ["verify"]);
  return crypto.subtle.verify(ED25519, key, signature, bytes);
}

/** The end of what poly signs: seq, expiry, whether there are bytes, and their hash. */
function tail(seq, expires, bytes) {
  const numbers = new Uint8Array(17);
  const view = new DataView(numbers.buffer);
  view.setBigUint64(0, BigInt(whole(seq)));
  view.setBigUint64(8, BigInt(whole(expires)));
  numbers[16] = bytes === null ? 0 : 1;
  return concat(numbers, blake3(bytes ?? new Uint8Array()));
}

/** JSON carries whole numbers up to 2^53 exactly; others would be signed wrong. */
function whole(number) {
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is no whole number up to 2^53`);
  return number;
}
