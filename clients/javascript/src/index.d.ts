// Types of the client. Field names are those of the API: `docs/http-api.md`.

/** Text (as UTF-8) or bytes. */
export type Bytes = string | ArrayBuffer | ArrayBufferView;
/** A key, an id or a public key: hexadecimal digits, or their bytes. */
export type Digits = string | Uint8Array;

export interface RequestOptions {
  /** Ends the request, or the stream. */
  signal?: AbortSignal;
  /** Milliseconds it may take; without one, as long as the node takes. */
  timeout?: number;
}

export interface LastingOptions extends RequestOptions {
  /** Ask again when the connection breaks. Default: true. */
  reconnect?: boolean;
}

export interface PolykadOptions {
  token?: string;
  timeout?: number;
  fetch?: typeof fetch;
}

/** What an operation cost. */
export interface Cost {
  asked: number;
  answered: number;
  failed: number;
  hops: number;
  elapsed_ms: number;
}

export interface Node {
  id: string;
  /** `IP:PORT` */
  address: string;
}

export interface Contact extends Node {
  rtt_ms: number;
  known_for_s: number;
  silent_for_s: number;
  failures: number;
  verified: boolean;
}

export interface Pong extends Node {
  rtt_ms: number;
  version: string | null;
}

export interface Refusal {
  from: string;
  code: number;
  message: string;
}

/** What became of a put, or of a round of an announcement. */
export interface Stored {
  key: string;
  seq: number | null;
  acknowledged: Node[];
  refused: Refusal[];
  silent: number;
  cost: Cost | null;
}

export interface Item extends Cost {
  key: string;
  /** As it was put: of a byte string what it holds. */
  value: Uint8Array;
  /** As it is stored. */
  bencoded: Uint8Array;
  /** The value, if it is UTF-8. */
  text: string | null;
}

export interface Signed extends Item {
  public_key: string;
  salt_hex: string;
  seq: number;
  signature: string;
}

export interface SignedItem {
  publicKey: Uint8Array;
  salt: Uint8Array;
  seq: number;
  value: Uint8Array;
  signature: Uint8Array;
}

export interface Scrape extends Cost {
  seeds: number;
  downloaders: number;
  nodes: number;
}

export interface Sample extends Node {
  total: number;
  interval_s: number;
  info_hashes: string[];
}

export type Step =
  | { step: "asked"; to: string; at_ms: number }
  | { step: "answered"; by: Node; at_ms: number; rtt_ms: number; named: Node[]; holds: boolean }
  | { step: "refused"; by: string; at_ms: number };

/** A problem document (RFC 9457). */
export interface Problem {
  type: string;
  status: number;
  title: string;
  detail: string;
  cost?: Cost;
  stored?: Stored;
  /** Of Mainline, the version that won. */
  winner?: unknown;
  /** Of poly, the version that won, or the tombstone of what was deleted. */
  record?: unknown;
  refusal?: Refusal;
  limit?: number;
  bytes?: number;
}

export class PolykadError extends Error {
  readonly problem: Problem;
  /** The status of the answer; 0: there was none. */
  readonly status: number;
  /** What kind of problem it is: "not-found", "conflict", … */
  readonly code: string;
}
/** Nobody holds it, its author has deleted it, or nobody answered there. */
export class NotFoundError extends PolykadError {}
/** The network has another version. */
export class ConflictError extends PolykadError {
  readonly winner: any;
}
/** The request can't be served as it is. */
export class InvalidRequestError extends PolykadError {}
/** Token, origin, host name, or a gateway that only reads. */
export class NotAllowedError extends PolykadError {}
/** The node or the network could not do it now. */
export class UnavailableError extends PolykadError {
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
}
/** No node was reached, or the connection broke. */
export class ConnectionError extends PolykadError {}

/** Who signs: an Ed25519 key. */
export class Author {
  readonly publicKey: Uint8Array;
  /** Who has it is the author. */
  readonly seed: Uint8Array;
  static generate(): Promise<Author>;
  static fromSeed(seed: Digits): Promise<Author>;
  /** Of a file that `polykad mainline keygen` has made. */
  static fromKeyFile(contents: Bytes): Promise<Author>;
  /** The public key in hexadecimal. */
  toString(): string;
  /** A version of a value of Mainline (BEP 44); `value` is bencoded. */
  signItem(value: Uint8Array, options: { salt?: Bytes; seq: number }): Promise<SignedItem>;
  /** A version of a record of poly; `value` null: its deletion. */
  signRecord(
    value: Bytes | null,
    options: { salt?: Bytes; seq: number; expires: number },
  ): Promise<SignedRecord>;
  /** An entry of a topic of poly, given by its key; `payload` null: its removal. */
  signEntry(
    topicKey: Digits,
    payload: Bytes | null,
    options: { slot?: number; seq: number; expires: number },
  ): Promise<SignedEntry>;
}

/** BitTorrent's Mainline DHT. */
export class Mainline {
  contacts(options?: RequestOptions): Promise<Contact[]>;
  stored(options?: RequestOptions & { most?: number }): Promise<{ key: string; is_torrent: boolean }[]>;
  ping(address: string, options?: RequestOptions): Promise<Pong>;
  nodes(target: Digits, options?: RequestOptions): Promise<Cost & { nodes: Node[] }>;
  trace(
    target: Digits,
    options?: RequestOptions & { quest?: "nodes" | "peers" | "value" },
  ): AsyncGenerator<Step, void>;
  /** Peers as they are found, each `IP:PORT` once. */
  peers(infoHash: Digits, options?: RequestOptions): AsyncGenerator<string, void>;
  announce(infoHash: Digits, options?: RequestOptions & { port?: number; seed?: boolean }): Promise<Stored>;
  /** Announces for as long as the loop goes on. */
  announcing(
    infoHash: Digits,
    options?: LastingOptions & { port?: number; seed?: boolean },
  ): AsyncGenerator<{ stored: Stored; problem?: undefined } | { problem: Problem; stored?: undefined }, void>;
  scrape(infoHash: Digits, options?: RequestOptions): Promise<Scrape>;
  samples(target: Digits, options?: RequestOptions): AsyncGenerator<Sample, void>;
  sample(address: string, options?: RequestOptions): Promise<Sample>;
  put(value: Bytes, options?: RequestOptions & { bencoded?: boolean }): Promise<Stored>;
  get(key: Digits, options?: RequestOptions): Promise<Item>;
  getSigned(publicKey: Digits, options?: RequestOptions & { salt?: Bytes }): Promise<Signed>;
  /** With `expected` only where that version is stored. */
  putSigned(item: SignedItem, options?: RequestOptions & { expected?: number }): Promise<Stored>;
  /** Signs and stores: one version after the network's, unless `seq` says which. */
  set(author: Author, value: Bytes, options?: RequestOptions & { salt?: Bytes; seq?: number }): Promise<Stored>;
}

export interface PolyRefusal {
  from: Node;
  reason: string;
  number: number | null;
  message: string;
}

/** What became of a put in poly. */
export interface PolyStored extends Cost {
  key: string;
  seq?: number;
  acknowledged: Node[];
  refused: PolyRefusal[];
  silent: number;
  region: number;
  quorum: number;
}

export interface PolyValue extends Cost {
  key: string;
  value: Uint8Array;
  /** The value, if it is UTF-8. */
  text: string | null;
}

export interface PolyRecord {
  key: string;
  public_key: string;
  salt_hex: string;
  seq: number;
  /** Unix seconds. */
  expires: number;
  /** Null: deleted. */
  value: Uint8Array | null;
  text: string | null;
  signature: string;
}

export interface PolyEntry {
  topic: string;
  public_key: string;
  slot: number;
  seq: number;
  /** Unix seconds. */
  expires: number;
  /** Null: removed. */
  payload: Uint8Array | null;
  text: string | null;
  signature: string;
}

export interface SignedRecord {
  publicKey: Uint8Array;
  salt: Uint8Array;
  seq: number;
  expires: number;
  value: Uint8Array | null;
  signature: Uint8Array;
}

export interface SignedEntry {
  publicKey: Uint8Array;
  topic: Uint8Array;
  slot: number;
  seq: number;
  expires: number;
  payload: Uint8Array | null;
  signature: Uint8Array;
}

export interface PutOptions extends RequestOptions {
  /** How many nodes must acknowledge. Default: 8, fewer in small networks. */
  quorum?: number | "all";
  /** By when the node ends the search, in milliseconds. */
  deadline?: number;
}

export interface GetOptions extends RequestOptions {
  deadline?: number;
}

/** Seconds that a value lives: a day unless told, 30 days at most. */
export interface Lifetime {
  lifetime?: number;
}

/** Polykad's own network. */
export class Poly {
  contacts(options?: RequestOptions): Promise<Omit<Contact, "verified">[]>;
  stored(
    options?: RequestOptions & { most?: number },
  ): Promise<{ key: string; kind: "value" | "record" | "entry" }[]>;
  ping(address: string, options?: RequestOptions): Promise<Node & Cost>;
  nodes(target: Digits, options?: RequestOptions): Promise<Cost & { nodes: Node[] }>;
  trace(
    target: Digits,
    options?: RequestOptions & { quest?: "nodes" | "value" | "record" | "topic" },
  ): AsyncGenerator<Step, void>;
  /** Stores up to 65,536 bytes under their hash. */
  put(value: Bytes, options?: PutOptions & Lifetime): Promise<PolyStored>;
  get(key: Digits, options?: GetOptions): Promise<PolyValue>;
  record(publicKey: Digits, options?: GetOptions & { salt?: Bytes }): Promise<PolyRecord & Cost>;
  putRecord(record: SignedRecord, options?: PutOptions & { expected?: number }): Promise<PolyStored>;
  /** Signs and stores: one version after the network's, unless `seq` says which. */
  set(
    author: Author,
    value: Bytes,
    options?: PutOptions & Lifetime & { salt?: Bytes; seq?: number },
  ): Promise<PolyStored>;
  /** Deletes a record: a tombstone takes its place until it expires. */
  delete(
    author: Author,
    options?: PutOptions & Lifetime & { salt?: Bytes; seq?: number },
  ): Promise<PolyStored>;
  topic(name: Bytes, options?: GetOptions & { limit?: number }): Promise<PolyEntry[]>;
  putEntry(entry: SignedEntry, options?: PutOptions): Promise<PolyStored>;
  /** Signs an entry of at most 1,000 bytes and stores it under a topic. */
  announce(
    author: Author,
    name: Bytes,
    payload: Bytes,
    options?: PutOptions & Lifetime & { slot?: number; seq?: number },
  ): Promise<PolyStored>;
  withdraw(
    author: Author,
    name: Bytes,
    options?: PutOptions & Lifetime & { slot?: number; seq?: number },
  ): Promise<PolyStored>;
  /** What is there, and then each change, until the loop or the signal ends it. */
  watchRecord(publicKey: Digits, options?: LastingOptions & { salt?: Bytes }): AsyncGenerator<PolyRecord, void>;
  watchTopic(name: Bytes, options?: LastingOptions): AsyncGenerator<PolyEntry, void>;
}

/** The key of a record of poly. */
export function recordKey(publicKey: Digits, salt?: Bytes): string;
/** The key of a topic of poly. */
export function topicKey(name: Bytes): string;

export class Polykad {
  /** The node at `url`; default: `http://127.0.0.1:6880`. */
  constructor(url?: string | URL, options?: PolykadOptions);
  readonly mainline: Mainline;
  readonly poly: Poly;
  status(options?: RequestOptions): Promise<Record<string, any>>;
  isReady(options?: RequestOptions): Promise<boolean>;
  live(options?: LastingOptions): AsyncGenerator<{ event: string; data: any }, void>;
}
