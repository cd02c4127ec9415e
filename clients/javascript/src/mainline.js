// BitTorrent's Mainline DHT, as a node offers it. Ids, keys and info-hashes are 40 hexadecimal
// digits, or their bytes.

import { byteString, digits, fromByteString, fromHex, toBytes, toHex, toText } from "./bytes.js";
import { NotFoundError } from "./errors.js";

export class Mainline {
  #http;

  constructor(transport) {
    this.#http = transport;
  }

  /** The node's contacts, with what it knows of them. */
  async contacts(options) {
    return (await this.#http.json("GET", "/v1/mainline/contacts", options)).contacts;
  }

  /** Keys under which the node stores something for others. */
  async stored({ most, ...options } = {}) {
    return (await this.#http.json("GET", "/v1/mainline/stored", { ...options, query: { most } })).keys;
  }

  /** Asks the address `IP:PORT` whether a node is there, and who. */
  ping(address, options) {
    return this.#http.json("GET", "/v1/mainline/ping", { ...options, query: { address } });
  }

  /** The nodes closest to an id, closest first, and what it took to find them. */
  nodes(target, options) {
    return this.#http.json("GET", `/v1/mainline/nodes/${digits(target)}`, options);
  }

  /** A lookup step by step: who is asked, who answers, whom it names. `quest`: nodes, peers or value. */
  async *trace(target, { quest, ...options } = {}) {
    const path = `/v1/mainline/trace/${digits(target)}`;
    const words = this.#http.words("GET", path, { ...options, query: { quest } });
    for await (const { data } of words) yield data;
  }

  /** Peers of a torrent as they are found, each `IP:PORT` once. */
  async *peers(infoHash, options) {
    const words = this.#http.words("GET", `/v1/mainline/peers/${digits(infoHash)}`, options);
    for await (const { data } of words) yield* data.peers;
  }

  /** Announces a peer of a torrent once; nodes forget it after about half an hour. */
  announce(infoHash, { port, seed, ...options } = {}) {
    const path = `/v1/mainline/peers/${digits(infoHash)}`;
    return this.#http.send("POST", path, { port, seed }, { ...options, query: { once: true } });
  }

  /** Announces it for as long as the loop over this goes on: yields what became of each round. */
  async *announcing(infoHash, { port, seed, ...options } = {}) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ port, seed });
    const path = `/v1/mainline/peers/${digits(infoHash)}`;
    for await (const { event, data } of this.#http.lasting("POST", path, { ...options, headers, body })) {
      yield event === "round" ? { stored: data } : { problem: data };
    }
  }

  /** How many seeds and downloaders a torrent has, estimated (BEP 33). */
  scrape(infoHash, options) {
    return this.#http.json("GET", `/v1/mainline/scrape/${digits(infoHash)}`, options);
  }

  /** What the nodes around an id store, one sample a node (BEP 51). */
  async *samples(target, options) {
    const words = this.#http.words("GET", `/v1/mainline/samples/${digits(target)}`, options);
    for await (const { data } of words) yield data;
  }

  /** What the node at `IP:PORT` stores. */
  sample(address, options) {
    return this.#http.json("GET", "/v1/mainline/sample", { ...options, query: { address } });
  }

  /** Stores text or bytes under their hash, at most 996; `bencoded`: the value is so already. */
  async put(value, { bencoded, ...options } = {}) {
    const headers = { "content-type": "application/octet-stream" };
    const body = toBytes(value);
    return this.#http.json("POST", "/v1/mainline/items", { ...options, headers, body, query: { bencoded } });
  }

  /** The value under a key. */
  async get(key, options) {
    return unwrapped(await this.#http.json("GET", `/v1/mainline/items/${digits(key)}`, options));
  }

  /** The newest version of an author's signed value (BEP 44). */
  async getSigned(publicKey, { salt, ...options } = {}) {
    const path = `/v1/mainline/signed/${digits(publicKey)}`;
    return unwrapped(await this.#http.json("GET", path, { ...options, query: salted(salt) }));
  }

  /** Stores a signed value; with `expected` only where that version is stored. */
  putSigned(item, { expected, ...options } = {}) {
    const { seq, value, signature } = item;
    const object = { seq, value_hex: toHex(value), signature: toHex(signature) };
    const headers = expected === undefined ? {} : { "if-match": `"${expected}"` };
    const path = `/v1/mainline/signed/${toHex(item.publicKey)}`;
    return this.#http.send("PUT", path, object, { ...options, headers, query: salted(item.salt) });
  }

  /**
   * Signs text or bytes and stores them as the author's value: one version after the network's,
   * unless `seq` says which, and only if nobody was faster.
   */
  async set(author, value, { salt, seq, ...options } = {}) {
    let expected;
    let next = seq;
    if (next === undefined) {
      const newest = await this.getSigned(author.publicKey, { salt, ...options }).catch((error) => {
        if (error instanceof NotFoundError && error.code === "not-found") return undefined;
        throw error;
      });
      expected = newest?.seq;
      next = (newest?.seq ?? 0) + 1;
    }
    const item = await author.signItem(byteString(toBytes(value)), { salt, seq: next });
    return this.putSigned(item, { expected, ...options });
  }
}

function salted(salt) {
  const bytes = toBytes(salt ?? "");
  return bytes.length === 0 ? {} : { salt: toHex(bytes) };
}

/** With bytes where the API has digits: `value` as it was put, `bencoded` as it is stored. */
function unwrapped({ value_hex: stored, ...rest }) {
  const bencoded = fromHex(stored);
  const value = fromByteString(bencoded) ?? bencoded;
  return { ...rest, value, bencoded, text: rest.text ?? toText(value) };
}
