/** Which keys can be asked for. What is wrong by its type is the program's mistake, and is thrown. */
import { keyBytesMax, messageBytesMax } from './limits.js';

/** One key as its text: a string as it is, an integer as its digits. */
export function keyText(key) {
  if (typeof key === 'string') return key;
  if (typeof key === 'bigint' || Number.isSafeInteger(key)) return String(key);
  throw new TypeError(`a key is a string, an integer or a BigInt, not ${describe(key)}`);
}

/** The texts of `keys`, each once. */
export function keyList(keys) {
  if (typeof keys === 'string' || !keys?.[Symbol.iterator]) {
    throw new TypeError(`keys is an array (or a Set) of strings and integers, as in ['33'], not ${describe(keys)}`);
  }
  return [...new Set(Array.from(keys, keyText))];
}

/**
 * Why this text is no key, or nothing. The server would refuse it too, but half of a character makes the whole message
 * unreadable, so that its answer could not say which key it means.
 */
export function badKey(key) {
  if (key.includes('\0') || !isWellFormed(key)) return 'a key contains no NUL and no half of a surrogate pair';
  return new TextEncoder().encode(key).length > keyBytesMax ? `a key has at most ${keyBytesMax} bytes` : undefined;
}

function isWellFormed(text) {
  try {
    encodeURIComponent(text); // refuses half of a surrogate pair, in every browser
    return true;
  } catch {
    return false;
  }
}

/** A name of a tally, a counter or an action; `what` says which in the error. */
export function nameText(name, what) {
  if (typeof name === 'string' && name && isWellFormed(name)) return name;
  throw new TypeError(`${what} is a name, as in 'tweets', not ${describe(name)}`);
}

/** The keys that fit into one message, whatever has to be escaped in them. */
export function firstBatch(keys) {
  let size = 0;
  const end = keys.findIndex((key) => (size += 6 * key.length + 3) > messageBytesMax);
  return end < 0 ? keys : keys.slice(0, end);
}

export function describe(value) {
  return typeof value === 'object' && value ? Object.prototype.toString.call(value) : JSON.stringify(value) ?? String(value);
}
