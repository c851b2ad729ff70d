/**
 * What a subscription asks, checked: { tally, kind, keys, wire }. Equal questions share one subscription on the wire;
 * named keys of a tally do so whichever they are.
 */
import { describe, keyList, keyText, nameText, wellFormed } from './keys.js';

const kinds = ['keys', 'top', 'sum', 'rank'];

export function questionOf(request) {
  if (request === null || typeof request !== 'object') {
    throw new TypeError(`subscribe takes { tally, keys }, not ${describe(request)}`);
  }
  const { intervalMs } = request;
  const tally = nameText(request.tally, 'tally');
  const asked = kinds.filter((kind) => request[kind] !== undefined && request[kind] !== false);
  if (asked.length > 1) throw new TypeError(`a subscription asks one thing: ${asked.join(' or ')}`);
  if (intervalMs !== undefined && !isWhole(intervalMs, 0, 60_000)) {
    throw new TypeError(`intervalMs is a whole number from 0 to 60000, not ${describe(intervalMs)}`);
  }
  const kind = asked[0] ?? 'every';
  const wire = { ...make[kind](request[kind]), ...(intervalMs && { interval_ms: intervalMs }) };
  const keys = kind === 'keys' ? keyList(request.keys) : null;
  return { tally, kind, keys, wire, name: JSON.stringify([tally, kind, wire]) };
}

const make = {
  every: () => ({}),
  keys: () => ({}),
  sum: () => ({ sum: true }),
  top: (top) => {
    const { by, limit = 10 } = object(top, "top is { by: 'favs', limit: 10 }");
    if (!isWhole(limit, 1, 1000)) throw new TypeError(`limit is a whole number from 1 to 1000, not ${describe(limit)}`);
    return { top: { by: nameText(by, 'by'), limit } };
  },
  rank: (rank) => {
    const { by, key, around = 0 } = object(rank, "rank is { by: 'favs', key: '33', around: 2 }");
    if (!isWhole(around, 0, 50)) throw new TypeError(`around is a whole number from 0 to 50, not ${describe(around)}`);
    const text = keyText(key);
    if (!wellFormed(text)) throw new TypeError('a key contains half of a surrogate pair');
    return { rank: { by: nameText(by, 'by'), key: text, around } };
  },
};

function object(value, wanted) {
  if (value === null || typeof value !== 'object') throw new TypeError(`${wanted}, not ${describe(value)}`);
  return value;
}

const isWhole = (value, least, most) => Number.isInteger(value) && value >= least && value <= most;
