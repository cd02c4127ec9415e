// Polykad's own network, as a node offers it. Keys are 64 hexadecimal digits, or their bytes. What
// comes back is checked against its key or signature, whatever the node says.

import { isSigned, signableEntry, signableRecord } from "./author.js";
import { blake3, blake3DeriveKey } from "./blake3.js";
import { concat, digits, fromHex, toBytes, toHex, toText } from "./bytes.js";
import { NotFoundError, forged } from "./errors.js";

/** Seconds that a value lives unless told otherwise. */
const A_DAY = 86_400;

/** The key of a record, from its author and salt. */
export function recordKey(publicKey, salt = "") {
  const author = fromHex(digits(publicKey));
  return toHex(blake3DeriveKey("polykad poly 1 record key", concat(author, toBytes(salt))));
}

/** The key of a topic, from its name. */
export function topicKey(name) {
  return toHex(blake3DeriveKey("polykad poly 1 topic key", toBytes(name)));
}

export class Poly {
  #http;

  constructor(transport) {
    this.#http = transport;
  }

  /** The contacts of the node's routing table. */
  async contacts(options) {
    return (await this.#http.json("GET", "/v1/poly/contacts", options)).contacts;
  }

  /** What the node holds for others. */
  async stored({ most, ...options } = {}) {
    return (await this.#http.json("GET", "/v1/poly/stored", { ...options, query: { most } })).values;
  }

  /** Asks the address `IP:PORT` who is there. */
  ping(address, options) {
    return this.#http.json("GET", "/v1/poly/ping", { ...options, query: { address } });
  }

  /** The nodes closest to a key, closest first. */
  nodes(target, options) {
    return this.#http.json("GET", `/v1/poly/nodes/${digits(target)}`, options);
  }

  /**
   * A lookup step by step: who is asked, who answers, whom it names. `quest`: nodes, value, record or
   * topic. What the node holds itself does not shorten it.
   */
  async *trace(target, { quest, ...options } = {}) {
    const path = `/v1/poly/trace/${digits(target)}`;
    const words = this.#http.words("GET", path, { ...options, query: { quest } });
    for await (const { data } of words) yield data;
  }

  /** Stores up to 65,536 bytes under their hash. */
  put(value, { lifetime, ...options } = {}) {
    const headers = { "content-type": "application/octet-stream" };
    const rest = asked(options, { lifetime_s: lifetime });
    return this.#http.json("POST", "/v1/poly/values", { ...rest, headers, body: toBytes(value) });
  }

  /** The bytes under a key. */
  async get(key, options) {
    const path = `/v1/poly/values/${digits(key)}`;
    const { value_hex: hex, ...rest } = await this.#http.json("GET", path, asked(options));
    const value = fromHex(hex);
    if (toHex(blake3(value)) !== digits(key).toLowerCase()) throw forged("value");
    return { ...rest, value, text: toText(value) };
  }

  /** The newest version of an author's record; `NotFoundError` with code "deleted" if it was deleted. */
  async record(publicKey, { salt, ...options } = {}) {
    const key = recordKey(publicKey, salt);
    return checkedRecord(key, await this.#http.json("GET", `/v1/poly/records/key/${key}`, asked(options)));
  }

  /** Stores a signed record, or its tombstone; with `expected` only in place of that version, 0: of none. */
  putRecord(record, { expected, ...options } = {}) {
    const { publicKey, salt, value } = record;
    return this.#signed(`/v1/poly/records/${toHex(publicKey)}`, record, value, { salt: toHex(salt) }, {
      ...options,
      headers: condition(expected),
    });
  }

  /**
   * Signs text or bytes and stores them as the author's record: one version after the network's,
   * unless `seq` says which, and only if nobody was faster.
   */
  async set(author, value, { salt, seq, lifetime = A_DAY, ...options } = {}) {
    const { next, expected } = await this.#next(author, salt, seq, options);
    const record = await author.signRecord(value, { salt, seq: next, expires: end(lifetime) });
    return this.putRecord(record, { ...options, expected });
  }

  /** Deletes a record: a tombstone takes its place until it expires. */
  delete(author, options) {
    return this.set(author, null, options);
  }

  /** The entries of a topic, of as many authors as possible. */
  async topic(name, { limit, ...options } = {}) {
    const topic = topicKey(name);
    const found = await this.#http.json("GET", `/v1/poly/topics/${topic}`, asked(options, { limit }));
    return Promise.all(found.entries.map((entry) => checkedEntry(topic, entry)));
  }

  /** Stores a signed entry, or its removal. */
  putEntry(entry, options) {
    const { publicKey, topic, slot, payload } = entry;
    const path = `/v1/poly/topics/${toHex(topic)}/${toHex(publicKey)}`;
    return this.#signed(path, entry, payload, { slot }, options);
  }

  /** Signs at most 1,000 bytes and stores them under a topic; a later one in the same slot replaces it. */
  async announce(author, name, payload, { slot = 0, seq = Date.now(), lifetime = A_DAY, ...options } = {}) {
    const entry = await author.signEntry(topicKey(name), payload, { slot, seq, expires: end(lifetime) });
    return this.putEntry(entry, options);
  }

  /** Takes an entry away. */
  withdraw(author, name, options) {
    return this.announce(author, name, null, options);
  }

  /** The record that is there, and then each newer version; `value` null: deleted. */
  async *watchRecord(publicKey, { salt, ...options } = {}) {
    const key = recordKey(publicKey, salt);
    let newest = -1;
    for await (const { event, data } of this.#http.lasting("GET", `/v1/poly/records/key/${key}/watch`, options)) {
      // After a break the connection begins with what was told before.
      if (event !== "record" || data.seq <= newest) continue;
      newest = data.seq;
      yield await checkedRecord(key, data);
    }
  }

  /** The entries of a topic that are there, and then each that is new or removed. */
  async *watchTopic(name, options = {}) {
    const topic = topicKey(name);
    const newest = new Map();
    for await (const { event, data } of this.#http.lasting("GET", `/v1/poly/topics/${topic}/watch`, options)) {
      if (event !== "entry") continue;
      const place = `${data.public_key}/${data.slot}`;
      if (data.seq <= (newest.get(place) ?? -1)) continue;
      newest.set(place, data.seq);
      yield await checkedEntry(topic, data);
    }
  }

  /** Stores what is signed: bytes, or, without any, that they are gone. */
  #signed(path, { seq, expires, signature }, bytes, query, options) {
    const rest = asked(options, { ...query, seq, expires, signature: toHex(signature) });
    if (bytes === null) return this.#http.json("DELETE", path, rest);
    const headers = { ...rest.headers, "content-type": "application/octet-stream" };
    return this.#http.json("PUT", path, { ...rest, headers, body: bytes });
  }

  /** The version after the newest, and the newest itself. */
  async #next(author, salt, seq, options) {
    if (seq !== undefined) return { next: seq };
    try {
      const { seq: newest } = await this.record(author.publicKey, { salt, ...options });
      return { next: newest + 1, expected: newest };
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      const newest = error.problem.record?.seq ?? 0;
      return { next: newest + 1, expected: newest };
    }
  }
}

/** Options of a request, with those of the operation in its query. */
function asked({ quorum, deadline, ...options } = {}, query = {}) {
  return { ...options, query: { ...query, quorum, deadline_ms: deadline } };
}

function condition(expected) {
  if (expected === undefined) return {};
  return expected === 0 ? { "if-none-match": "*" } : { "if-match": `"${expected}"` };
}

/** When a value ends that lives so many seconds from now on. */
function end(lifetime) {
  return Math.floor(Date.now() / 1000) + Math.floor(lifetime);
}

async function checkedRecord(key, { value_hex: hex, ...rest }) {
  const value = hex === null ? null : fromHex(hex);
  const [author, salt] = [fromHex(rest.public_key), fromHex(rest.salt_hex)];
  const signed = signableRecord({ ...rest, salt, value });
  const isRight = recordKey(author, salt) === key && (await isSigned(author, fromHex(rest.signature), signed));
  if (!isRight) throw forged("record");
  return { ...rest, value };
}

async function checkedEntry(topic, { payload_hex: hex, ...rest }) {
  const payload = hex === null ? null : fromHex(hex);
  const signed = signableEntry({ ...rest, topic: fromHex(topic), payload });
  const isRight = await isSigned(fromHex(rest.public_key), fromHex(rest.signature), signed);
  if (rest.topic !== topic || !isRight) throw forged("entry");
  return { ...rest, payload };
}
