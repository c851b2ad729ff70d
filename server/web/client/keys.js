/** Which keys can be asked for. What is wrong by its type is the program's mistake, and is thrown. */
import { limits } from './limits.js';

/** One key as its text: a string as it is, an integer as its digits. */
export function keyText(key) {
  if (typeof key === 'string') return key;
  if (typeof key === 'bigint' || Number.isSafeInteger(key)) return String(key);
  throw new TypeError(`a key is a string, an integer or a BigInt, not ${describe(key)}`);
}

/** The texts of `keys`, each once. */
export function keyList(keys) {
  if (keys === null || typeof keys !== 'object' || typeof keys[Symbol.iterator] !== 'function') {
    throw new TypeError(`keys is an array (or a Set) of strings and integers, as in ['33'], not ${describe(keys)}`);
  }
  return [...new Set(Array.from(keys, keyText))];
}

/**
 * Why this text is no key, or nothing. The server would refuse it too, but half of a character makes the whole message
 * unreadable, so that its answer could not say which key it means.
 */
export function badKey(key) {
  if (key.includes('\0')) return 'a key contains no NUL';
  if (!wellFormed(key)) return 'a key contains half of a surrogate pair';
  if (key.length > limits.keyBytes || new TextEncoder().encode(key).length > limits.keyBytes) {
    return `a key has at most ${limits.keyBytes} bytes`;
  }
  return undefined;
}

export function wellFormed(text) {
  try {
    encodeURIComponent(text); // refuses half of a surrogate pair, in every browser
    return true;
  } catch {
    return false;
  }
}

/** A name of a tally, a counter or an action; `what` says which in the error. */
export function nameText(name, what) {
  if (typeof name === 'string' && name !== '' && wellFormed(name)) return name;
  throw new TypeError(`${what} is a name, as in 'tweets', not ${describe(name)}`);
}

/** Splits keys into messages that the server accepts. */
export function batches(keys) {
  const all = [];
  let size = Infinity;
  for (const key of keys) {
    size += 6 * key.length + 3; // worst case: every character is escaped
    if (size > limits.messageBytes) {
      all.push([]);
      size = 6 * key.length + 3;
    }
    all.at(-1).push(key);
  }
  return all;
}

export function describe(value) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === null || typeof value !== 'object') return String(value);
  return Array.isArray(value) ? 'an array' : 'an object';
}
