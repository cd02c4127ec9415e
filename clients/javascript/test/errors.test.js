// What a node may answer, from a server of our own: problems, broken streams, signals.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

import * as polykad from "../src/index.js";

const { Polykad } = polykad;
const HASH = "00".repeat(20);

/** A server that answers as told, for as long as the test lasts. */
async function server(t, answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => server.close(resolve) && server.closeAllConnections()));
  return `http://127.0.0.1:${server.address().port}/`;
}

function problem(response, status, name, more = {}, headers = {}) {
  response.writeHead(status, { "content-type": "application/problem+json", ...headers });
  response.end(JSON.stringify({ type: `/problems/${name}`, status, title: "", detail: `it is ${name}`, ...more }));
}

test("problems become errors by what can be done about them", async (t) => {
  let answer;
  const node = new Polykad(await server(t, (_, response) => answer(response)));
  const check = async (status, name, Kind) => {
    answer = (response) => problem(response, status, name);
    await assert.rejects(node.status(), (error) => {
      assert.ok(error instanceof Kind, `${name}: ${error.name}`);
      assert.ok(error instanceof polykad.PolykadError);
      assert.deepEqual([error.code, error.status, error.message], [name, status, `it is ${name}`]);
      return true;
    });
  };
  await check(400, "bad-request", polykad.InvalidRequestError);
  await check(401, "unauthorized", polykad.NotAllowedError);
  await check(403, "read-only", polykad.NotAllowedError);
  await check(404, "not-found", polykad.NotFoundError);
  await check(409, "conflict", polykad.ConflictError);
  await check(412, "conflict", polykad.ConflictError);
  await check(413, "value-too-long", polykad.InvalidRequestError);
  await check(421, "wrong-host", polykad.NotAllowedError);
  await check(422, "bad-signature", polykad.InvalidRequestError);
  await check(429, "too-many-requests", polykad.UnavailableError);
  await check(503, "no-contacts", polykad.UnavailableError);
  await check(504, "late", polykad.UnavailableError);
  await check(599, "unheard-of", polykad.UnavailableError);
  await check(418, "unheard-of", polykad.PolykadError);
});

test("an answer that is no problem document is an error all the same", async (t) => {
  const node = new Polykad(await server(t, (_, response) => response.writeHead(502).end("<html>")));
  await assert.rejects(node.status(), { code: "unknown", status: 502, name: "UnavailableError" });
});

test("when to come again is told", async (t) => {
  const answer = (_, response) => problem(response, 429, "too-many-requests", {}, { "retry-after": "7" });
  const node = new Polykad(await server(t, answer));
  await assert.rejects(node.status(), { retryAfter: 7 });
});

test("a node that is not there", async () => {
  const gone = createServer();
  await new Promise((resolve) => gone.listen(0, "127.0.0.1", resolve));
  const node = new Polykad(`http://127.0.0.1:${gone.address().port}`);
  await new Promise((resolve) => gone.close(resolve));
  const unreachable = { name: "ConnectionError", code: "unreachable", status: 0 };
  await assert.rejects(node.status(), unreachable);
  await assert.rejects(all(node.live()), unreachable);
});

test("the token is sent", async (t) => {
  let sent;
  const url = await server(t, (request, response) => {
    sent = request.headers.authorization;
    response.end("{}");
  });
  await new Polykad(url, { token: "secret" }).status();
  assert.equal(sent, "Bearer secret");
});

test("signals and timeouts end requests, with their reason", async (t) => {
  const url = await server(t, () => {});
  const ends = new AbortController();
  const reason = new Error("enough");
  const pending = new Polykad(url).status({ signal: ends.signal });
  ends.abort(reason);
  await assert.rejects(pending, reason);
  await assert.rejects(new Polykad(url, { timeout: 20 }).status(), { name: "TimeoutError" });
});

test("streams come in pieces of any size and end with done", async (t) => {
  const text = 'event: peers\ndata: {"peers":["192.0.2.1:1","192.0.2.2:2"]}\n\n: alive\n\nevent: done\ndata: {}\n\n';
  const url = await server(t, async (_, response) => {
    for (const letter of text) {
      response.write(letter);
      await new Promise(setImmediate);
    }
    response.end();
  });
  const peers = await all(new Polykad(url).mainline.peers(HASH));
  assert.deepEqual(peers, ["192.0.2.1:1", "192.0.2.2:2"]);
});

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

test("a stream that fails, and one that breaks", async (t) => {
  let text = 'event: failed\ndata: {"type":"/problems/late","status":504,"detail":"it took too long"}\n\n';
  const url = await server(t, (_, response) => response.end(text));
  const peers = () => all(new Polykad(url).mainline.peers(HASH));
  await assert.rejects(peers(), { name: "UnavailableError", code: "late" });
  text = 'event: peers\ndata: {"peers":[]}\n\n';
  await assert.rejects(peers(), { name: "ConnectionError" });
});

test("what lasts is asked for again when the connection breaks", async (t) => {
  let asked = 0;
  const url = await server(t, (_, response) => {
    asked += 1;
    response.end(`event: status\ndata: {"asked":${asked}}\n\n`);
  });
  const seen = [];
  for await (const { data } of new Polykad(url).live()) {
    seen.push(data.asked);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, [1, 2]);
  await assert.rejects(all(new Polykad(url).live({ reconnect: false })), { name: "ConnectionError" });
});

test("a signal ends a stream, also while it waits to ask again", async (t) => {
  const url = await server(t, (_, response) => response.writeHead(200).flushHeaders());
  const ends = new AbortController();
  const waiting = all(new Polykad(url).live({ signal: ends.signal }));
  setTimeout(() => ends.abort(new Error("enough")), 20);
  await assert.rejects(waiting, { message: "enough" });
  const gone = new AbortController();
  const brief = await server(t, (_, response) => response.end("event: status\ndata: {}\n\n"));
  const retrying = all(new Polykad(brief).live({ signal: gone.signal }));
  setTimeout(() => gone.abort(new Error("enough")), 100);
  await assert.rejects(retrying, { message: "enough" });
});

test("leaving the loop closes the stream", async (t) => {
  let closed;
  const isClosed = new Promise((resolve) => {
    closed = resolve;
  });
  const url = await server(t, (request, response) => {
    response.on("close", closed);
    response.write('event: peers\ndata: {"peers":["192.0.2.1:1"]}\n\n');
  });
  for await (const peer of new Polykad(url).mainline.peers(HASH)) {
    assert.equal(peer, "192.0.2.1:1");
    break;
  }
  await isClosed;
});
