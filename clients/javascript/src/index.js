// A Polykad node over its HTTP API, from Node and from browsers: `polykad serve`.

import { Transport } from "./http.js";
import { Mainline } from "./mainline.js";
import { Poly } from "./poly.js";

export { Author } from "./author.js";
export {
  ConflictError,
  ConnectionError,
  InvalidRequestError,
  NotAllowedError,
  NotFoundError,
  PolykadError,
  UnavailableError,
} from "./errors.js";
export { recordKey, topicKey } from "./poly.js";

/** Where a daemon serves unless told otherwise. */
const DEFAULT_URL = "http://127.0.0.1:6880";

export class Polykad {
  #http;

  /**
   * The node at `url`. Options: `token`, which the node may demand; `timeout`, milliseconds that a
   * request may take (streams apart); `fetch`, in place of the platform's.
   */
  constructor(url = DEFAULT_URL, options = {}) {
    this.#http = new Transport(url, options);
    /** BitTorrent's Mainline DHT. */
    this.mainline = new Mainline(this.#http);
    /** Polykad's own network. */
    this.poly = new Poly(this.#http);
  }

  /** How the node is doing. */
  status(options) {
    return this.#http.json("GET", "/v1/status", options);
  }

  /** Whether the node has joined its network: it knows others. */
  async isReady(options) {
    try {
      await this.#http.request("GET", "/readyz", options);
      return true;
    } catch (error) {
      if (error.code === "not-ready") return false;
      throw error;
    }
  }

  /**
   * The node live: `{ event, data }` with `history` once, then `status` every second and `contacts`
   * every three. Lasts over breaks of the connection, until the loop or the signal ends it.
   */
  live(options) {
    return this.#http.lasting("GET", "/v1/live", options);
  }
}
