// Daemons on loopback for the tests: POLYKAD_PROGRAM names the program.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { UnavailableError } from "../src/index.js";

export const program = process.env.POLYKAD_PROGRAM;
/** For `skip` of tests that need it. */
export const lacking = program ? false : "POLYKAD_PROGRAM names no program";

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("POLYKAD_")));

/** Starts a daemon; resolves with where it listens. */
export function serve(...words) {
  const always = ["serve", "--json", "--quiet", "--no-default-bootstrap"];
  const child = spawn(program, [...always, ...words], { stdio: ["ignore", "pipe", "inherit"], env: environment });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`a daemon ended with code ${code}`)));
    createInterface(child.stdout).once("line", (line) => {
      const told = JSON.parse(line);
      const stop = () => new Promise((ended) => child.once("exit", ended) && child.kill("SIGKILL"));
      resolve({ url: told.http, address: told.listen?.[0] ?? told.listen_poly[0], told, stop });
    });
  });
}

/** Daemons that know each other, each in a /24 of its own: few of one subnet are taken in. */
export async function network(count, ...words) {
  const daemons = [];
  while (daemons.length < count) {
    const join = daemons.length ? ["--bootstrap", daemons[0].address] : [];
    const listen = ["--listen", `127.78.${daemons.length}.1:0`, "--http", "127.0.0.1:0"];
    daemons.push(await serve(...listen, ...join, ...words));
  }
  const stop = () => Promise.all(daemons.map((daemon) => daemon.stop()));
  return { ...daemons[0], daemons, stop };
}

/** Tries until it holds: daemons find each other when they do, and may know nobody until then. */
export async function eventually(holds) {
  const notYet = (error) => {
    if (!(error instanceof UnavailableError)) throw error;
    return false;
  };
  for (let tries = 0; tries < 600; tries += 1) {
    if (await holds().catch(notYet)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("it did not come about within a minute");
}
