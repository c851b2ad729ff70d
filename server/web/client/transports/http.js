/**
 * What Server-Sent Events and long poll share: the WebSocket's conversation, made of requests. A subscription becomes
 * one address to follow, or several (`slices`) when its keys do not fit into one; a track or untrack follows new ones.
 * `follow(slice, transport)` reads an address until it is aborted, and calls slice.take; what it throws is a lost link.
 *
 * Slices of one subscription are at different revisions, so their messages carry `apart`: no position to resume from.
 */
import { limits } from '../limits.js';
import { problemOf } from '../error.js';
import { parse } from '../numbers.js';

export class HttpTransport {
  canPing = false; // whether one answers says nothing of the others: after a sleep all begin anew
  entries = new Map(); // id -> { id, tally, question, keys, slices: query -> slice, asked, tracks }
  ending = new AbortController();
  waiting = []; // for one of the requests that may wait at a time
  room = limits.streams;

  constructor({ base, fetch, token }, hooks, follow) {
    Object.assign(this, { base, fetch, token, hooks, follow });
    this.begin();
  }

  async begin() {
    const timer = setTimeout(() => this.hooks.lost('the server does not answer', { hung: true }), limits.openMs);
    try {
      const response = await this.request('tallies', {});
      if (!response.ok && response.status !== 503) throw await problemOf(response);
      await response.text();
      if (!this.ending.signal.aborted) this.hooks.opened();
    } catch (error) {
      if (!this.ending.signal.aborted) this.hooks.lost(error.code ? error.message : 'the server cannot be reached');
    } finally {
      clearTimeout(timer);
    }
  }

  /** A request with the token; a token that is refused is asked for once more. */
  async request(path, { signal = this.ending.signal, ...options }) {
    for (let again = Boolean(this.token.getToken); ; again = false) {
      const headers = { ...options.headers, ...await this.token.headers() };
      const response = await this.fetch(`${this.base}${path}`, { ...options, headers, signal });
      if (response.status !== 401 || !again) return response;
      this.token.refused();
    }
  }

  send({ type, id, ...message }) {
    const entry = this.entries.get(id);
    if (type === 'subscribe') {
      const { keys, since, tally, ...question } = message;
      if (entry) this.forget(entry);
      const fresh = { id, tally, question, since, keys: keys && new Set(keys), asked: keys ?? [], slices: new Map() };
      this.entries.set(id, fresh);
      this.arrange(fresh);
    } else if (type === 'track' && entry) {
      Object.assign(entry, { asked: message.keys, tracks: true });
      for (const key of message.keys) entry.keys.add(key);
      this.arrange(entry);
    } else if (type === 'untrack' && entry) {
      for (const key of message.keys) entry.keys.delete(key);
      this.arrange(entry);
    } else if (type === 'unsubscribe' && entry) {
      this.forget(entry);
    }
  }

  forget(entry) {
    this.entries.delete(entry.id);
    for (const slice of entry.slices.values()) slice.ending.abort();
    entry.slices.clear();
  }

  /** Follows the addresses of an entry as its keys are now; one that stays is left alone. */
  arrange(entry) {
    const addresses = entry.keys ? queriesOf(entry.keys) : [null];
    for (const [query, slice] of entry.slices) {
      if (addresses.includes(query)) continue;
      slice.ending.abort();
      entry.slices.delete(query);
    }
    const fresh = addresses.filter((query) => !entry.slices.has(query));
    for (const query of fresh) {
      const slice = { entry, query, ending: new AbortController(), since: addresses.length === 1 ? entry.since : null };
      entry.slices.set(query, slice);
      this.run(slice);
    }
    entry.since = null; // of the keys that the subscribe named
  }

  async run(slice) {
    const { entry, ending } = slice;
    slice.take = (message) => {
      if (ending.signal.aborted) return;
      this.hooks.proved();
      this.hooks.heard();
      const apart = entry.slices.size > 1 && { apart: true };
      if (message) this.hooks.took({ ...message, ...apart, id: entry.id });
    };
    try {
      if (slice.query === '') await this.lookAt(slice);
      else await this.follow(slice, this);
    } catch (error) {
      if (!ending.signal.aborted) this.failed(slice, error);
    }
  }

  /** No keys: only the tally's state is asked for, once. */
  async lookAt(slice) {
    const response = await this.request(`tallies/${encodeURIComponent(slice.entry.tally)}`, { signal: slice.ending.signal });
    if (!response.ok) throw await problemOf(response);
    const { epoch, revision, state, reason } = parse(await response.text());
    slice.take({ type: 'snapshot', epoch, revision, state, reason, keys: {} });
  }

  failed({ entry }, { code, status, message, key, hung }) {
    if (status && status < 500 && status !== 429) {
      // As on the WebSocket: a track that is refused leaves the rest, a subscribe is gone.
      if (entry.tracks) for (const name of entry.asked) entry.keys.delete(name);
      else this.forget(entry);
      this.hooks.took({ type: 'error', id: entry.id, code, message, key });
      if (entry.tracks) this.arrange(entry);
      return;
    }
    this.hooks.lost(status || hung ? message : 'the connection was lost', { hung });
  }

  /** A place among the requests that may wait at a time. Returns what gives it back. */
  async place(signal) {
    if (this.room > 0) this.room -= 1;
    else if (!await this.turn(signal)) return () => {};
    return () => {
      const next = this.waiting.shift();
      if (next) next();
      else this.room += 1;
    };
  }

  /** Whether a place was given before the signal ended the wait. */
  turn(signal) {
    return new Promise((resolve) => {
      const given = () => resolve(true);
      this.waiting.push(given);
      signal.addEventListener('abort', () => {
        const at = this.waiting.indexOf(given);
        if (at >= 0) this.waiting.splice(at, 1);
        resolve(false);
      });
    });
  }

  get isCrowded() {
    let slices = 0;
    for (const entry of this.entries.values()) slices += entry.slices.size;
    return slices > limits.streams;
  }

  close() {
    this.ending.abort();
    for (const entry of [...this.entries.values()]) this.forget(entry);
  }
}

/** The keys as parts of an address, each short enough for every proxy; '' if there are none. */
function queriesOf(keys) {
  const all = [''];
  for (const key of keys) {
    const part = `key=${encodeURIComponent(key)}`;
    const last = all.at(-1);
    if (last === '') all[all.length - 1] = part;
    else if (last.length + part.length < limits.urlBytes) all[all.length - 1] = `${last}&${part}`;
    else all.push(part);
  }
  return all;
}

/** What a slice asks, as the parts of a stream's query. */
export function queryOf({ entry, query }) {
  const { top, sum, rank, interval_ms: interval } = entry.question;
  const parts = [];
  if (query) parts.push(query);
  if (top) parts.push(`top=${top.limit}`, `by=${encodeURIComponent(top.by)}`);
  if (sum) parts.push('sum');
  if (rank) parts.push(`rank=${encodeURIComponent(rank.key)}`, `by=${encodeURIComponent(rank.by)}`, `around=${rank.around}`);
  if (interval) parts.push(`interval_ms=${interval}`);
  return parts;
}
