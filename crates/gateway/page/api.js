// Requests to this node, and streams of events from it.

let token = "";
let askForToken = null;

/** Who asks people for the token when the node wants one. */
export function onUnauthorized(ask) {
  askForToken = ask;
}

export function useToken(value) {
  token = value;
  try {
    sessionStorage.setItem("token", value);
  } catch {
    // Without storage it is asked for again.
  }
}

{
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    useToken(given);
    history.replaceState(null, "", location.pathname);
  } else {
    try {
      token = sessionStorage.getItem("token") ?? "";
    } catch {
      // As above.
    }
  }
}

/** A request; resolves to the response, rejects with the node's own words. */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("authorization", `Bearer ${token}`);
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  if (response.status === 401 && askForToken) {
    await askForToken();
    return request(path, options);
  }
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `the node answered ${response.status}`);
  error.problem = problem;
  throw error;
}

export async function json(path, options) {
  const headers = { accept: "application/json", ...options?.headers };
  return (await request(path, { ...options, headers })).json();
}

/** Server-sent events, read by fetch: unlike EventSource it can send the token. */
export async function* events(path, signal) {
  const headers = { accept: "text/event-stream" };
  const response = await request(path, { headers, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = { name: "", data: "" };
      for (const line of part.split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
    }
  }
}
