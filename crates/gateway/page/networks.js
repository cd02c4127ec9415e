// What the networks have in common, told in one way: the rest of the page knows no network.

/** A number as people read it. */
export function amount(number) {
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  if (number >= 1e4) return `${(number / 1e3).toFixed(1)} k`;
  return Number.isInteger(number) ? String(number) : number.toFixed(1);
}

const about = (size) => (size ? `; about ${amount(Math.round(size))} nodes in all` : "");

/** What any node drops. */
const DROPPED = [
  ["malformed", "Datagram dropped", "it is none of the protocol"],
  ["oversized", "Datagram dropped", "it is longer than any message"],
  ["send_full", "Message not sent", "the socket was full"],
  ["send_failed", "Message not sent", "the system refused: no route, a firewall"],
  ["unpersisted", "Change not kept", "the disk did not keep up, or is full"],
];

const FAULTS = {
  protocol: "a wrong token, or arguments that make no sense",
  unknown_method: "a method this node does not know",
  bad_signature: "the signature does not match",
  conflict: "an older version than the stored one",
  too_long: "value or salt too long",
  store_full: "the store is full, or its source’s share",
  other: "another reason",
};

const REASONS = {
  malformed: "it makes no sense",
  unknown: "a request this node does not know",
  busy: "its host has asked too often",
  too_long: "the value is too long",
  expired: "the value has expired, or clocks disagree",
  lives_too_long: "the value would live too long",
  bad_signature: "the signature is not the author’s",
  older: "a newer version is here",
  swapped: "compare and swap: another version is here",
  quota: "its source has used up its share",
  full: "this node has no room",
  not_mine: "the key belongs to other nodes",
  too_many_watchers: "too many watchers",
  storage: "this node’s disk failed",
};

const REACHABLE = {
  reachable: "others reach this node",
  unreachable: "others do not reach this node: it only asks, and holds nothing",
};

const dropped = (status) => DROPPED.map(([name, what, why]) => [status.dropped[name], what, why]);

const side = (status) => status.mainline?.v4 ?? status.mainline?.v6;

export const NETWORKS = {
  poly: {
    title: "Polykad’s own",
    digits: 64,
    /** How many nodes keep a value. */
    holders: 20,
    longest: 65536,
    quests: [["nodes", "nodes"], ["value", "a value"], ["record", "a record"], ["topic", "a topic"]],
    /** Which of them shows where a value is kept: a search for a value ends with the first who has it. */
    whereabouts: "nodes",
    many: "topic entry stored here",
    is: (status) => Boolean(status.poly),
    id: ({ poly }) => poly.id,
    size: ({ poly }) => poly.network_size,
    contacts: ({ poly }) => poly.contacts,
    stored: ({ poly }) => poly.values,
    outcomes: ({ poly }) => poly.outcomes,
    held: (list) => list.map(({ key, kind }) => ({ key, many: kind === "entry", what: kind })),
    asked: ({ poly }) => poly.queries,
    refusals: (status) => [
      ...Object.entries(status.poly.refusals).map(([name, count]) => [count, "Request refused", REASONS[name] ?? name]),
      [status.poly.forged, "Value thrown away", "its hash or signature is wrong"],
      [status.poly.unsolicited, "Answer ignored", "it answers nothing this node asked"],
      [status.dropped.rate_limited, "Datagram dropped", "its source had sent too much"],
      ...dropped(status),
    ],
    identity: ({ poly }) => [
      ["Id", poly.id, true],
      ["Listens", poly.listen.map((address) => `${address}/udp`).join(" "), true],
      ["Network", `${poly.contacts} contacts known, ${poly.table} in the table${about(poly.network_size)}`],
      ["Reachable", REACHABLE[poly.reachability] ?? "nobody has found out"],
      ["Sessions", `${poly.sessions} encrypted ones with other nodes`],
      ["Stores", `${amount(poly.values)} values of ${amount(poly.value_bytes / 1024)} KiB, for others`],
      ["Watchers", `${poly.watchers} are told changes`],
    ],
  },
  mainline: {
    title: "BitTorrent’s Mainline",
    digits: 40,
    holders: 8,
    longest: 996,
    quests: [["nodes", "nodes"], ["value", "a value"], ["peers", "peers of a torrent"]],
    whereabouts: "value",
    many: "torrent stored here",
    is: (status) => Boolean(status.mainline),
    id: (status) => side(status)?.id,
    size: (status) => side(status)?.network_size,
    contacts: ({ mainline }) => (mainline.v4?.good ?? 0) + (mainline.v6?.good ?? 0),
    stored: ({ mainline }) => mainline.items + mainline.info_hashes,
    outcomes: ({ mainline }) => mainline.outcomes,
    held: (list) =>
      list.map(({ key, is_torrent: many }) => ({ key, many, what: many ? "torrent" : "value" })),
    asked: ({ mainline }) => mainline.queries,
    refusals: (status) => [
      [status.mainline.limited_by_host, "Query unanswered", "its host had asked too much"],
      [status.mainline.limited_by_subnet, "Query unanswered", "the hosts of its subnet had, together"],
      [status.mainline.messages.unsolicited, "Answer ignored", "it answers nothing this node asked"],
      ...Object.entries(status.mainline.faults).map(([name, count]) => [count, "Error sent", FAULTS[name] ?? name]),
      ...dropped(status),
    ],
    identity: ({ mainline, listen, poly }) => {
      const list = [];
      for (const [name, family] of [["IPv4", mainline.v4], ["IPv6", mainline.v6]]) {
        if (!family) continue;
        list.push([`Id on ${name}`, family.id, true]);
        const nobody = "not known yet: too few others have said where they see this node";
        list.push(["Seen as", family.external ?? nobody, Boolean(family.external)]);
        const { good, questionable } = family;
        list.push([
          "Network",
          `${good} contacts answer, ${questionable} have been silent${about(family.network_size)}`,
        ]);
      }
      const own = listen.filter((address) => !poly?.listen.includes(address));
      list.push(["Listens", own.map((address) => `${address}/udp`).join(" "), true]);
      list.push([
        "Stores",
        `${amount(mainline.items)} values, ${amount(mainline.peers)} peers of ` +
          `${amount(mainline.info_hashes)} torrents, for others`,
      ]);
      return list;
    },
  },
};
