/**
 * Long poll: a request that is answered when something has changed since the last answer's position. When a page asks
 * more than may wait at a time, the requests take turns, each for a short while. It reads named keys, lists, sums and
 * ranks; no request reads every key.
 */
import { limits } from '../limits.js';
import { PgtallyError, problemOf } from '../error.js';
import { parse } from '../numbers.js';
import { HttpTransport } from './http.js';

export class LongPollTransport extends HttpTransport {
  constructor(to, hooks) {
    super(to, hooks, poll);
  }
}

export async function poll(slice, transport) {
  const { signal } = slice.ending;
  const address = addressOf(slice);
  let { since } = slice;
  let pauseMs = 0;
  let isFirst = true; // what was missed is asked for without a wait
  while (!signal.aborted) {
    if (pauseMs) await pause(pauseMs, signal);
    const leave = await transport.place(signal);
    if (signal.aborted) return leave();
    try {
      ({ since, pauseMs } = await ask(slice, transport, address, since, isFirst));
      isFirst = false;
    } finally {
      leave();
    }
  }
  return undefined;
}

async function ask({ take, ending, entry }, transport, address, since, isFirst) {
  const wait = transport.isCrowded ? 1 : limits.pollSeconds;
  const position = since && `since=${since.epoch}-${since.revision}${isFirst ? '' : `&wait=${wait}`}`;
  const path = since ? `${address}${address.includes('?') ? '&' : '?'}${position}` : address;
  const late = setTimeout(() => transport.hooks.lost('the server does not answer', { hung: true }), wait * 1000 + limits.openMs);
  try {
    const response = await transport.request(path, { signal: ending.signal });
    const pauseMs = Math.max(entry.question.interval_ms ?? 0, 0);
    if (response.status === 204) {
      take(isFirst ? { type: 'snapshot', ...since, state: 'live', keys: {}, partial: true } : undefined);
      return { since, pauseMs: isFirst ? 0 : 1_000 };
    }
    if (response.status === 503) {
      const { code, detail } = await response.json().catch(() => ({}));
      take({ type: 'state', state: code === 'failed' ? 'failed' : 'loading', reason: detail });
      return { since: null, pauseMs: 1_000 };
    }
    if (!response.ok) throw await problemOf(response);
    const { key, counters, ...answer } = parse(await response.text());
    take({ type: 'snapshot', ...answer });
    return { since: { epoch: answer.epoch, revision: answer.revision }, pauseMs };
  } finally {
    clearTimeout(late);
  }
}

function addressOf({ entry, query }) {
  const path = `tallies/${encodeURIComponent(entry.tally)}`;
  const { top, sum, rank } = entry.question;
  if (query) return `${path}/keys?${query}`;
  if (top) return `${path}/top?by=${encodeURIComponent(top.by)}&limit=${top.limit}`;
  if (rank) return `${path}/rank?by=${encodeURIComponent(rank.by)}&key=${encodeURIComponent(rank.key)}&around=${rank.around}`;
  if (sum) return path;
  throw new PgtallyError('not_by_long_poll', 'every key of a tally cannot be followed by long poll: name keys', { status: 400 });
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
  });
}
