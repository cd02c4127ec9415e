// BLAKE3, the hash of Polykad's own network: what Web Crypto lacks of it. After the paper "BLAKE3:
// one function, fast everywhere", sections 2.1 to 2.6. Slow next to native code: some 20 ms for 64 KiB.

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const BLOCK = 64;
const CHUNK = 1024;

const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const DERIVE_KEY_CONTEXT = 32;
const DERIVE_KEY_MATERIAL = 64;

/** The hash of bytes, 32 bytes. */
export function blake3(bytes) {
  return hash(bytes, IV, 0);
}

/** A key from a context, a text, and bytes: `derive_key`. */
export function blake3DeriveKey(context, bytes) {
  const key = hash(new TextEncoder().encode(context), IV, DERIVE_KEY_CONTEXT);
  return hash(bytes, words(key), DERIVE_KEY_MATERIAL);
}

function hash(bytes, key, flags) {
  const root = subtree(bytes, 0, key, flags);
  const out = compress(root.chaining, root.block, root.counter, root.length, root.flags | ROOT);
  const view = new DataView(new ArrayBuffer(32));
  out.slice(0, 8).forEach((word, at) => view.setUint32(4 * at, word, true));
  return new Uint8Array(view.buffer);
}

/** The last step of a part of the tree, not yet taken: the root's differs from all others. */
function subtree(bytes, counter, key, flags) {
  if (bytes.length <= CHUNK) return chunk(bytes, counter, key, flags);
  // The left part is the largest power of two of chunks that leaves something to the right.
  let left = CHUNK;
  while (2 * left < bytes.length) left *= 2;
  const parts = [subtree(bytes.subarray(0, left), counter, key, flags)];
  parts.push(subtree(bytes.subarray(left), counter + left / CHUNK, key, flags));
  const block = parts.flatMap((part) => chain(part));
  return { chaining: key, block, counter: 0, length: BLOCK, flags: flags | PARENT };
}

function chain({ chaining, block, counter, length, flags }) {
  return compress(chaining, block, counter, length, flags).slice(0, 8);
}

function chunk(bytes, counter, key, flags) {
  let chaining = key;
  const last = Math.max(0, Math.ceil(bytes.length / BLOCK) - 1);
  for (let number = 0; ; number += 1) {
    const part = bytes.subarray(number * BLOCK, (number + 1) * BLOCK);
    const padded = new Uint8Array(BLOCK);
    padded.set(part);
    const begins = number === 0 ? CHUNK_START : 0;
    const ends = number === last ? CHUNK_END : 0;
    const step = { chaining, block: words(padded), counter, length: part.length, flags: flags | begins | ends };
    if (number === last) return step;
    chaining = chain(step);
  }
}

/** Little-endian words, whatever the machine's order is. */
function words(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getUint32(4 * at, true));
}

function compress(chaining, block, counter, length, flags) {
  const high = Math.floor(counter / 2 ** 32);
  const state = Uint32Array.of(...chaining, ...IV.slice(0, 4), counter, high, length, flags);
  let message = block;
  for (let round = 0; round < 7; round += 1) {
    for (let column = 0; column < 4; column += 1) {
      mix(state, column, 4 + column, 8 + column, 12 + column, message[2 * column], message[2 * column + 1]);
    }
    for (let diagonal = 0; diagonal < 4; diagonal += 1) {
      const [b, c, d] = [4 + ((diagonal + 1) % 4), 8 + ((diagonal + 2) % 4), 12 + ((diagonal + 3) % 4)];
      mix(state, diagonal, b, c, d, message[8 + 2 * diagonal], message[9 + 2 * diagonal]);
    }
    const before = message;
    message = PERMUTATION.map((from) => before[from]);
  }
  return Array.from({ length: 16 }, (_, at) => {
    const word = at < 8 ? state[at] ^ state[at + 8] : state[at] ^ chaining[at - 8];
    return word >>> 0;
  });
}

function mix(state, a, b, c, d, first, second) {
  state[a] = state[a] + state[b] + first;
  state[d] = rotate(state[d] ^ state[a], 16);
  state[c] = state[c] + state[d];
  state[b] = rotate(state[b] ^ state[c], 12);
  state[a] = state[a] + state[b] + second;
  state[d] = rotate(state[d] ^ state[a], 8);
  state[c] = state[c] + state[d];
  state[b] = rotate(state[b] ^ state[c], 7);
}

function rotate(word, by) {
  return (word >>> by) | (word << (32 - by));
}
