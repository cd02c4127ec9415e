// A lookup played hop by hop: first it happens, in its own time, then it is shown in ours.

import { events } from "./api.js";
import * as space from "./space.js";

/** How long the play takes, in milliseconds. */
const PLAY = 5200;

const steps = document.querySelector("#lookup-steps");
const summary = document.querySelector("#lookup-summary");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let running = 0;

const pause = (span) => new Promise((resolve) => setTimeout(resolve, span));

/** Forgets the last lookup. */
export function forget() {
  running += 1;
  steps.replaceChildren();
  summary.textContent = "Not begun yet.";
  space.forgetLookup();
}

/** What happened, word for word. */
async function ask(network, target, quest) {
  const words = [];
  for await (const { data } of events(`/v1/${network}/trace/${target}?quest=${quest}`)) words.push(data);
  return words;
}

/** Looks a key up and plays it. `quest`: one of the network's. */
export async function play({ network, holders }, target, quest, contacts) {
  const number = ++running;
  steps.replaceChildren();
  summary.textContent = "Asking…";
  space.beginLookup(target);
  let words = [];
  try {
    words = await ask(network, target, quest);
  } catch (error) {
    if (number === running) summary.textContent = `It did not work: ${error.message}`;
    return;
  }
  if (number !== running) return;
  const end = words.find((word) => word.event === "done");
  const told = words.filter((word) => word.event === "step");
  const play = new Play(target, contacts, told, holders);
  const span = calm.matches ? 0 : PLAY / Math.max(1, told.length);
  const slowed = end ? Math.round(PLAY / Math.max(0.1, end.elapsed_ms)) : 1;
  if (span) summary.textContent = `Playing it ${slowed} times slower than it was…`;
  for (const word of told) {
    if (span) await pause(word.step === "asked" ? span * 0.8 : span * 1.2);
    if (number !== running) return;
    play.step(word);
  }
  play.end(quest, end);
}

class Play {
  constructor(target, contacts, words, holders) {
    this.target = target;
    this.most = holders;
    /** By address: who is asked. */
    this.nodes = new Map(contacts.map(({ id, address }) => [address, { id, hop: 1 }]));
    this.pending = new Map();
    this.answered = [];
    this.holders = new Set();
    // Bare addresses are asked while few are known: their ids show in their answers.
    for (const { step, by } of words) {
      if (step === "answered" && !this.nodes.has(by.address)) {
        this.nodes.set(by.address, { id: by.id, hop: 1, met: true });
      }
    }
    this.told = new Set(contacts.map(({ address }) => address));
  }

  step(word) {
    if (word.step === "asked") return this.asked(word);
    if (word.step === "answered") return this.heard(word);
    return this.failed(word.by, "refused");
  }

  asked({ to }) {
    const node = this.nodes.get(to);
    if (!node) return;
    this.pending.set(to, { ...this.line(node), done: space.drawAsk(node.id) });
  }

  line(node) {
    const item = document.createElement("li");
    const hop = document.createElement("span");
    hop.className = "hop";
    hop.textContent = `hop ${node.hop}`;
    const who = document.createElement("code");
    const bits = space.sharedBits(node.id, this.target);
    const same = Math.floor(bits / 4);
    const match = document.createElement("b");
    match.textContent = node.id.slice(0, same);
    who.append(match, `${node.id.slice(same, same + 8)}…`);
    const what = document.createElement("span");
    what.className = "what";
    what.textContent = "asked…";
    item.append(hop, who, what);
    steps.append(item);
    steps.scrollTop = steps.scrollHeight;
    return { what };
  }

  heard({ by, rtt_ms: rtt, named, holds }) {
    const line = this.pending.get(by.address);
    const hop = this.nodes.get(by.address)?.hop ?? 1;
    this.pending.delete(by.address);
    for (const { id, address } of named) {
      if (!this.told.has(address)) {
        this.told.add(address);
        this.nodes.set(address, { id, hop: hop + 1 });
      }
    }
    this.answered.push({ id: by.id, hop });
    if (holds) this.holders.add(by.id);
    space.drawNamed(by.id, named);
    line?.done(true);
    if (line) {
      const bits = space.sharedBits(by.id, this.target);
      const shares = `shares ${bits} bit${bits === 1 ? "" : "s"}`;
      line.what.textContent = `${rtt.toFixed(1)} ms, ${shares}, names ${named.length}${holds ? ", has it" : ""}`;
      if (holds) line.what.className = "good";
    }
    const best = this.best();
    space.caption(`hop ${best.hop}`, `${space.sharedBits(best.id, this.target)} bits reached`);
  }

  failed(address, why) {
    const line = this.pending.get(address);
    this.pending.delete(address);
    line?.done(false);
    if (line) {
      line.what.textContent = why;
      line.what.className = "bad";
    }
  }

  best() {
    return this.answered.reduce((one, other) =>
      space.closer(this.target, one.id, other.id) <= 0 ? one : other,
    );
  }

  end(quest, cost) {
    for (const address of [...this.pending.keys()]) this.failed(address, "no answer");
    if (!this.answered.length || !cost) {
      summary.textContent = "Nobody answered.";
      return;
    }
    this.answered.sort((one, other) => space.closer(this.target, one.id, other.id));
    const closest = this.answered.slice(0, this.most);
    for (const { id } of quest === "nodes" ? closest : closest.filter(({ id }) => this.holders.has(id))) {
      space.drawHolder(id);
    }
    const has = quest === "nodes" ? "" : `; ${this.holders.size} of them ${this.holders.size === 1 ? "has" : "have"} it`;
    summary.textContent =
      `Done in ${cost.elapsed_ms.toFixed(1)} ms: ${cost.hops} hop${cost.hops === 1 ? "" : "s"}, ` +
      `${cost.asked} asked, ${cost.answered} answered${has}. The circles are the closest to the key.`;
    const ms = cost.elapsed_ms < 10 ? cost.elapsed_ms.toFixed(1) : cost.elapsed_ms.toFixed(0);
    space.caption(`${ms} ms`, `${cost.hops} hop${cost.hops === 1 ? "" : "s"}, ${cost.answered} answers`);
    document.dispatchEvent(new CustomEvent("lookup-done"));
  }
}
