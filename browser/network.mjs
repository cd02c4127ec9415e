// A network of nodes on loopback, one of which has the dashboard.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Starts a node; resolves once it tells where it listens. */
function start(polykad, listen, more) {
  const words = ["serve", "--json", "--quiet", "--no-default-bootstrap", "--no-rate-limit", "--listen", listen];
  const child = spawn(polykad, [...words, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`a node ended with code ${code}`)));
    createInterface(child.stdout).once("line", (line) => {
      const told = JSON.parse(line);
      const [address, poly] = [told.listen[0], told.listen_poly[0]];
      resolve({ child, address, poly, http: told.http });
    });
  });
}

/** Some nodes of both networks that know each other, each in a /24 of its own. */
export async function startNetwork(polykad, count) {
  const nodes = [await start(polykad, "127.77.0.1:0", ["--http", "127.0.0.1:0"])];
  for (let number = 1; number < count; number += 1) {
    const listen = `127.77.${number}.1:0`;
    const join = ["--no-http", "--bootstrap", nodes[0].address, "--poly-bootstrap", nodes[0].poly];
    nodes.push(await start(polykad, listen, join));
  }
  const stop = () => nodes.forEach(({ child }) => child.kill("SIGTERM"));
  process.once("exit", stop);
  ["SIGINT", "SIGTERM"].forEach((signal) => process.once(signal, () => process.exit(1)));
  return { nodes, url: nodes[0].http, stop };
}

/** Asks the API until an answer is as it should be. */
export async function until(url, isRight, seconds = 30) {
  for (let tries = 0; tries < seconds * 5; tries += 1) {
    const answer = await fetch(url).then((response) => response.json());
    if (isRight(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${url} did not become what it should`);
}
