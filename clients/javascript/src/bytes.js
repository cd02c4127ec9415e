// Bytes and their two common texts: hexadecimal and UTF-8.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes from text (as UTF-8) or from anything that holds bytes. */
export function toBytes(value) {
  if (typeof value === "string") return encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError("expected text or bytes: a string, an ArrayBuffer or a view of one");
}

/** Text, if the bytes are UTF-8; otherwise null. */
export function toText(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(digits) {
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new TypeError(`'${digits}' is no pairs of hexadecimal digits`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) => Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

/** A key, an id or a public key as the API writes it, from digits or bytes. */
export function digits(value) {
  return typeof value === "string" ? value : toHex(toBytes(value));
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bencodes bytes as a byte string. */
export function byteString(bytes) {
  return concat(encoder.encode(`${bytes.length}:`), bytes);
}

/** The bytes of a bencoded byte string; null for any other value. */
export function fromByteString(value) {
  const colon = value.indexOf(0x3a);
  const length = toText(value.subarray(0, Math.max(colon, 0)));
  if (!/^(0|[1-9][0-9]*)$/.test(length ?? "")) return null;
  const bytes = value.subarray(colon + 1);
  return bytes.length === Number(length) ? bytes : null;
}
