// Requests to a node, and streams of what it tells.

import { ConnectionError, errorOf, unreachable } from "./errors.js";

/** How long to wait before a stream that broke is asked for again, in milliseconds. */
const RETRY_FIRST = 500;
const RETRY_MOST = 15_000;

export class Transport {
  constructor(url, { token, timeout, fetch: fetcher } = {}) {
    this.url = String(url).replace(/\/+$/, "");
    this.token = token;
    this.timeout = timeout;
    this.fetch = fetcher ?? ((...words) => globalThis.fetch(...words));
  }

  /** Sends a request; resolves to the response, rejects with a `PolykadError` or the signal's reason. */
  async request(method, path, { query, headers, body, signal, timeout = this.timeout } = {}) {
    const url = this.url + path + written(query);
    const all = new Headers(headers);
    if (this.token) all.set("authorization", `Bearer ${this.token}`);
    const ends = [signal, timeout === undefined ? undefined : AbortSignal.timeout(timeout)];
    const both = AbortSignal.any(ends.filter((end) => end !== undefined));
    let response;
    try {
      response = await this.fetch(url, { method, headers: all, body, signal: both, cache: "no-store" });
    } catch (error) {
      throw both.aborted ? both.reason : unreachable(this.url, error);
    }
    if (response.ok || response.status === 304) return response;
    throw await failure(response);
  }

  async json(method, path, options = {}) {
    const headers = { accept: "application/json", ...options.headers };
    const response = await this.request(method, path, { ...options, headers });
    return response.json();
  }

  /** Sends JSON. */
  async send(method, path, object, options = {}) {
    const headers = { "content-type": "application/json", ...options.headers };
    return this.json(method, path, { ...options, headers, body: JSON.stringify(object) });
  }

  /**
   * The words of a stream until `done`, whose object is returned; `failed` is thrown. Ending the
   * loop early ends the search at the node.
   */
  async *words(method, path, options = {}) {
    const headers = { accept: "text/event-stream", ...options.headers };
    // A search has its own deadline at the node, and a watch none.
    const response = await this.request(method, path, { timeout: undefined, ...options, headers });
    for await (const { event, data } of events(response.body, options.signal)) {
      if (event === "done") return data;
      if (event === "failed") throw errorOf(data);
      yield { event, data };
    }
    throw broken(this.url);
  }

  /**
   * The same for a stream without an end: once it has begun, it is asked for again whenever the
   * connection breaks.
   */
  async *lasting(method, path, options = {}) {
    let pause = RETRY_FIRST;
    let hasBegun = false;
    for (;;) {
      try {
        for await (const word of this.words(method, path, options)) {
          pause = RETRY_FIRST;
          hasBegun = true;
          yield word;
        }
        return;
      } catch (error) {
        const isOver = !hasBegun || options.reconnect === false || options.signal?.aborted;
        if (isOver || !(error instanceof ConnectionError)) throw error;
      }
      await sleep(pause, options.signal);
      pause = Math.min(2 * pause, RETRY_MOST);
    }
  }
}

function written(query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function broken(url) {
  const problem = { type: "/problems/unreachable", status: 0, title: "the connection broke" };
  return new ConnectionError({ ...problem, detail: `the connection to ${url} broke: try again` });
}

/** What an answer that is no success says. */
async function failure(response) {
  const wait = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const told = await response.json().catch(() => ({}));
  return errorOf({ ...told, status: response.status }, Number.isNaN(wait) ? undefined : wait);
}

/** Server-sent events with JSON data. Unlike EventSource, fetch can send a token. */
export async function* events(body, signal) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop();
      yield* parts.map(read).filter((event) => event !== null);
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw broken("the node");
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function read(part) {
  let event = "message";
  let data = "";
  for (const line of part.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    if (line.startsWith("data:")) data += line.slice(5).trim();
  }
  // Lines that begin with a colon only keep the connection alive.
  return data === "" ? null : { event, data: JSON.parse(data) };
}

function sleep(time, signal) {
  return new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", over);
      resolve();
    }, time);
    signal?.addEventListener("abort", over, { once: true });
  });
}
