// What goes wrong, by what can be done about it. The API answers with problem documents (RFC 9457);
// the last part of their `type` is `code` here and stays as it is.

/** Any failure of a request. */
export class PolykadError extends Error {
  constructor(problem, options) {
    super(problem.detail || problem.title || `the node answered ${problem.status}`, options);
    this.name = new.target.name;
    /** The problem document, as the node sent it. */
    this.problem = problem;
    /** The status of the answer; 0: there was none. */
    this.status = problem.status ?? 0;
    /** What kind of problem it is: "not-found", "conflict", … */
    this.code = String(problem.type ?? "").replace(/^.*\//, "") || "unknown";
  }
}

/** Nobody holds it, its author has deleted it, or nobody answered there. */
export class NotFoundError extends PolykadError {}

/** The network has another version. */
export class ConflictError extends PolykadError {
  /** The version that the network has, as the node told it. */
  get winner() {
    return this.problem.winner ?? this.problem.record;
  }
}

/** The request can't be served as it is: a value too long, a wrong signature, a misspelt key. */
export class InvalidRequestError extends PolykadError {}

/** Token, origin, host name, or a gateway that only reads. */
export class NotAllowedError extends PolykadError {}

/** The node or the network could not do it now: try again. */
export class UnavailableError extends PolykadError {
  constructor(problem, options, retryAfter) {
    super(problem, options);
    /** Seconds after which to try again, if the node says. */
    this.retryAfter = retryAfter;
  }
}

/** No node was reached, or the connection broke. */
export class ConnectionError extends PolykadError {}

const BY_STATUS = {
  400: InvalidRequestError,
  401: NotAllowedError,
  403: NotAllowedError,
  404: NotFoundError,
  405: InvalidRequestError,
  408: UnavailableError,
  409: ConflictError,
  410: NotFoundError,
  412: ConflictError,
  413: InvalidRequestError,
  415: InvalidRequestError,
  421: NotAllowedError,
  422: InvalidRequestError,
  429: UnavailableError,
};

/** The error that a problem document stands for. */
export function errorOf(problem, retryAfter) {
  const Kind = BY_STATUS[problem.status] ?? (problem.status >= 500 ? UnavailableError : PolykadError);
  return new Kind(problem, undefined, retryAfter);
}

/** The node told something that its key or its signature contradicts. */
export function forged(what) {
  const detail = `the node told a ${what} that is not what was asked for: ask another`;
  return new PolykadError({ type: "/problems/forged", status: 0, title: "forged", detail });
}

/** The failure of a connection to `url`. */
export function unreachable(url, cause) {
  const type = "/problems/unreachable";
  const detail = `no node at ${url}: start one with \`polykad serve\``;
  return new ConnectionError({ type, status: 0, title: "no node was reached", detail }, { cause });
}
