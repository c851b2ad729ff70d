/**
 * What a subscription asks, checked: { tally_, kind_, keys_, wire_, name_ }. Equal questions share one subscription on
 * the wire; named keys of a tally do so whichever they are.
 */
import { badKey, describe, keyList, keyText, nameText } from './keys.js';

const kinds = ['keys', 'top', 'sum', 'rank'];

export function questionOf(request) {
  const { tally, intervalMs, ...asks } = object(request, "subscribe takes { tally: 'tweets', keys: ['33'] }");
  nameText(tally, 'tally');
  const asked = kinds.filter((kind) => asks[kind] !== undefined && asks[kind] !== false);
  if (asked.length > 1) throw new TypeError(`a subscription asks one thing: ${asked.join(' or ')}`);
  const kind = asked[0] ?? 'every';
  const keys = kind === 'keys' ? keyList(asks.keys) : undefined;
  const interval = whole(intervalMs ?? 0, 'intervalMs', 0, 60_000);
  const wire = { ...make[kind]?.(asks[kind]), ...(interval && { interval_ms: interval }) };
  return { tally_: tally, kind_: kind, keys_: keys, wire_: wire, name_: JSON.stringify([tally, kind, wire]) };
}

const make = {
  sum: () => ({ sum: true }),
  top: (top) => {
    const { by, limit = 10 } = object(top, "top is { by: 'favs', limit: 10 }");
    return { top: { by: nameText(by, 'by'), limit: whole(limit, 'limit', 1, 1000) } };
  },
  rank: (rank) => {
    const { by, key, around = 0 } = object(rank, "rank is { by: 'favs', key: '33', around: 2 }");
    const text = keyText(key);
    if (badKey(text)) throw new TypeError(badKey(text));
    return { rank: { by: nameText(by, 'by'), key: text, around: whole(around, 'around', 0, 50) } };
  },
};

function object(value, wanted) {
  if (typeof value === 'object' && value) return value;
  throw new TypeError(`${wanted}, not ${describe(value)}`);
}

function whole(value, name, least, most) {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new TypeError(`${name} is a whole number from ${least} to ${most}, not ${describe(value)}`);
}
