/**
 * JSON whose integers keep their digits. A counter is a number while a number is exact, otherwise a BigInt: test with
 * typeof, add with BigInt(n), print with String(n) or Intl.NumberFormat.
 */

const tokens = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/**
 * JSON.parse, but an integer that a number cannot hold exactly becomes a BigInt. Only new browsers show the digits to a
 * reviver. This function prefixes every string value with "s", turns every such integer into a string with the prefix
 * "n", and removes both in the reviver, so that no text can be mistaken for a mark.
 */
export function parse(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const marked = text.replace(tokens, (token, string, colon) => {
    if (string) return colon ? token : `"s${string.slice(1)}`;
    return /^-?\d+$/.test(token) && !Number.isSafeInteger(+token) ? `"n${token}"` : token;
  });
  return JSON.parse(marked, (_key, value) => {
    if (typeof value !== 'string') return value;
    return value[0] === 'n' ? BigInt(value.slice(1)) : value.slice(1);
  });
}
