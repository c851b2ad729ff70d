/**
 * JSON whose integers keep their digits. A counter is a number while a number is exact, otherwise a BigInt: test with
 * typeof, add with BigInt(n), print with String(n) or Intl.NumberFormat.
 */

const sourceAccess = (() => {
  let seen = false;
  JSON.parse('1', (_key, value, context) => { seen = context?.source === '1'; return value; });
  return seen;
})();

/**
 * JSON.parse, but an integer that a number cannot hold exactly becomes a BigInt. Newer browsers pass the digits to the
 * reviver. For older ones this function prefixes every string value with "s", turns every such integer into a string
 * with the prefix "n", and removes both prefixes in the reviver, so that no text can be mistaken for a mark.
 */
export function parse(text, bySource = sourceAccess) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  if (bySource) {
    return JSON.parse(text, (_key, value, context) => (typeof value === 'number' ? exact(context.source) : value));
  }
  const tokens = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
  const marked = text.replace(tokens, (token, string, colon) => {
    if (string) return colon ? token : `"s${string.slice(1)}`;
    return typeof exact(token) === 'bigint' ? `"n${token}"` : token;
  });
  return JSON.parse(marked, (_key, value) => {
    if (typeof value !== 'string') return value;
    return value[0] === 'n' ? BigInt(value.slice(1)) : value.slice(1);
  });
}

function exact(source) {
  const value = Number(source);
  return /^-?\d+$/.test(source) && !Number.isSafeInteger(value) ? BigInt(source) : value;
}

/** The text of a subscribe. Its revision may be a BigInt, which JSON.stringify refuses. */
export function textOf({ since, ...message }) {
  const text = JSON.stringify(message);
  if (!since) return text;
  return `${text.slice(0, -1)},"since":{"epoch":${JSON.stringify(since.epoch)},"revision":${since.revision}}}`;
}
