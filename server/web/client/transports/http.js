/**
 * What Server-Sent Events and long poll share: the WebSocket's conversation, made of requests. A subscription becomes
 * one address to follow, or several when its keys do not fit into one; the first answers of all are one snapshot. A
 * track begins anew. An untrack is left for then: the feed ignores keys that it does not want.
 *
 * Several addresses of one subscription are at different revisions, so their messages carry `apart`: no position to
 * resume from.
 *
 * `read_(slice)`, of the transport, reads an address until slice.signal aborts, and calls deliver_; what it throws is a
 * lost link.
 */
import { urlBytesMax } from '../limits.js';
import { problemOf } from '../error.js';
import { request } from '../token.js';

export class HttpTransport {
  canPing_ = false; // whether one request answers says nothing of the others: after a sleep all begin anew
  entries_ = new Map(); // id -> { id, tally, question, keys, since, ending, slices, awaits, together, tracked }
  ending_ = new AbortController();

  constructor(settings, hooks) {
    this.settings_ = settings;
    this.hooks_ = hooks;
    this.begin_();
  }

  async begin_() {
    const { signal } = this.ending_;
    try {
      const response = await this.request_('tallies', { signal });
      await response.text();
      this.hooks_.opened_();
    } catch (error) {
      this.lost_(error);
    }
  }

  /** The answer, also one of 503, which may say that the tally is loading. Any other error is thrown. */
  async request_(path, options) {
    const response = await request(this.settings_, path, options);
    if (!response.ok && response.status !== 503) throw await problemOf(response);
    return response;
  }

  lost_(error) {
    // A TypeError is what fetch says of every network.
    this.hooks_.lost_(error instanceof TypeError ? 'the server cannot be reached' : error.message);
  }

  send_({ type, id, keys, since, tally, ...question }) {
    const entry = this.entries_.get(id);
    if (type === 'subscribe') {
      this.forget_(entry);
      const made = { id, tally, question, since, keys: keys && new Set(keys) };
      this.entries_.set(id, made);
      this.follow_(made);
    } else if (type === 'track') {
      entry.tracked = keys;
      for (const key of keys) entry.keys.add(key);
      this.follow_(entry);
    } else if (type === 'untrack') {
      for (const key of keys) entry.keys.delete(key);
    } else {
      this.forget_(entry);
    }
  }

  forget_(entry) {
    entry?.ending.abort();
    this.entries_.delete(entry?.id);
  }

  follow_(entry) {
    entry.ending?.abort();
    const { signal } = entry.ending = new AbortController();
    const queries = entry.keys ? queriesOf(entry.keys) : [''];
    entry.slices = entry.awaits = queries.length;
    entry.together = {};
    const { since } = entry;
    entry.since = null; // of the keys that the subscribe named
    for (const query of queries) {
      const slice = { entry, query, signal, since, isFirst: true };
      signal.addEventListener('abort', () => clearTimeout(slice.timer)); // a pause ends here, with what waits for it
      this.run_(slice);
    }
  }

  async run_(slice) {
    try {
      await this.read_(slice);
    } catch (error) {
      if (!slice.signal.aborted) this.failed_(slice.entry, error);
    } finally {
      clearTimeout(slice.timer);
    }
  }

  /** Gives the link up if nothing is heard for so long. */
  watch_(slice, ms) {
    clearTimeout(slice.timer);
    slice.timer = setTimeout(() => this.hooks_.lost_('the server does not answer, or a proxy holds it back', slice.isFirst), ms);
  }

  deliver_(slice, message) {
    const { entry, signal } = slice;
    if (signal.aborted) return;
    this.hooks_.proved_();
    if (slice.isFirst && message.type === 'snapshot') {
      slice.isFirst = false;
      Object.assign(entry.together, message.keys);
      if (--entry.awaits) return;
      if (message.keys) message.keys = entry.together;
    }
    this.hooks_.took_({ ...message, apart: entry.slices > 1, id: entry.id });
  }

  // As on the WebSocket: a track that is refused leaves the rest, a subscribe that is refused is gone.
  failed_(entry, error) {
    const { status, code, message, key } = error;
    if (!status || status >= 500 || status === 429) {
      this.lost_(error);
      return;
    }
    const { tracked } = entry;
    this.forget_(entry);
    if (tracked) {
      for (const name of tracked) entry.keys.delete(name);
      this.entries_.set(entry.id, entry);
      this.follow_(entry);
    }
    this.hooks_.took_({ type: 'error', id: entry.id, code, message, key });
  }

  close_() {
    this.ending_.abort();
    for (const entry of this.entries_.values()) entry.ending.abort();
  }
}

/** The keys as parts of an address, each short enough for every proxy; '' if there are none. */
function queriesOf(keys) {
  const all = [''];
  for (const key of keys) {
    const part = `key=${encodeURIComponent(key)}`;
    const last = all.length - 1;
    if (!all[last]) all[last] = part;
    else if (all[last].length + part.length < urlBytesMax) all[last] += `&${part}`;
    else all.push(part);
  }
  return all;
}

/** The address of what a slice reads; `parts` are those of the query that are not its keys. */
export function addressOf({ entry: { tally }, query }, route, parts) {
  const all = Object.entries(parts).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  if (query) all.unshift(query);
  return `tallies/${encodeURIComponent(tally)}${route}${all.length ? '?' : ''}${all.join('&')}`;
}
