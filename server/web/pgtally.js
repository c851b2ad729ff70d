/**
 * The browser client of pgtally: live counters over one WebSocket. An ES module without dependencies.
 *
 *     import { connect } from 'https://counters.example.org/pgtally.js';
 *
 *     const client = connect();                                  // the server that this file came from
 *     const likes = client.subscribe(
 *       { tally: 'tweets', keys: ['33', '34'] },                 // without keys: every key of the tally
 *       { onChange: (changed, all) => { for (const [key, { favs }] of changed) show(key, favs); },
 *         onState: ({ state, reason }) => { banner.textContent = state === 'live' ? '' : reason; } });
 *     likes.values.get('33');                                    // { rts: 2, favs: 1 }
 *     likes.track(['40']);  likes.untrack(['33']);  likes.close();
 *
 * connect({ url, WebSocket, onState, onError, backoffMs: { min, max }, idleMs }) -> client
 *   url        URL of the endpoint, ws: or http:; default: v1/ws beside this file
 *   WebSocket  WebSocket class, for a runtime without one (Node before 22: the class of package "ws")
 *   onState    ({ state: 'connecting' | 'open' | 'waiting' | 'closed', reason?, retryInMs? }): the connection's state
 *   onError    ({ code, message, keys? }): errors that belong to no subscription; default: console.warn
 *   backoffMs  pauses between attempts to connect: random, growing; default: { min: 100, max: 10000 }
 *   idleMs     silence after which the client pings the server; after twice that it reconnects; default: 10000
 *
 * client.subscribe({ tally, keys?, top?: { by, limit }, intervalMs? }, handlers) -> subscription
 *   onChange(changed, all)   Maps of key -> counters: the keys that differ from before, and all keys. Snapshots call it
 *                            too, so this handler alone is enough. A key that vanished comes once, all counters 0
 *   onSnapshot(all)          after each snapshot, before its onChange
 *   onTop(list)              with `top`: [{ key, counters }, ...] whenever the list changed
 *   onState({ state, reason?, code?, retryInMs? })
 *                            'connecting', the server's 'loading' | 'live' | 'stale' | 'failed', or 'disconnected'
 *   onError({ code, message, keys? })   the server refused to track these keys
 * subscription: .values (Map), .top (array), .state, .track(keys), .untrack(keys), .close()
 * client: .state, .subscribe(), .retry() (connect now, not after the pause), .close()
 * parse(text): JSON.parse, but integers beyond 2^53 keep their digits.
 *
 * Model
 *   1. A subscription lives until close(). The client reconnects without limit and subscribes again. It also retries a
 *      subscription whose tally is unknown or was dropped, because the tally may be created later.
 *   2. A new connection asks only for what changed meanwhile: `since` carries the epoch and the newest revision up to
 *      which this client has received everything. That is the revision of a change, or of the last part of a snapshot
 *      that covers all held keys. It is never the revision of a snapshot that answers track(): such a snapshot can
 *      overtake an older change of another key.
 *   3. Messages carry values, not deltas: a change sets keys, a snapshot replaces all keys, a partial snapshot sets
 *      keys. Parts (`more`) are collected and take effect together. A snapshot always holds every named key, so for
 *      named keys setting is enough.
 *   4. A counter is a number while a number is exact, otherwise a BigInt. Digits are never lost: test with typeof, add
 *      with BigInt(n), print with String(n) or Intl.NumberFormat.
 *   5. Old values stay readable while the state is not 'live'. The client never guesses a value.
 */

export function connect(options = {}) {
  return new Client(options);
}

const closeReasons = {
  1001: 'the server is shutting down',
  1009: 'the server refused a message as too long',
  1012: 'the server is restarting',
  1013: 'the server cut this connection: it could not keep up',
};

class Client {
  #url;
  #Socket;
  #onState;
  #onError;
  #backoff;
  #idleMs;
  #socket = null;
  #subscriptions = new Map();
  #lastId = 0;
  #attempts = 0;
  #timers = {};
  #heard = false;
  #asked = false;
  #state = Object.freeze({ state: 'connecting' });
  #online = () => this.retry();

  constructor({ url, WebSocket: Socket = globalThis.WebSocket, onState, onError, backoffMs, idleMs = 10_000 }) {
    if (!Socket) throw new TypeError('this runtime has no WebSocket: pass one, connect({ WebSocket })');
    this.#url = socketUrl(url);
    this.#Socket = Socket;
    this.#onState = onState;
    this.#onError = onError ?? ((error) => console.warn('pgtally:', error.code, error.message));
    this.#backoff = { min: 100, max: 10_000, ...backoffMs };
    this.#idleMs = idleMs;
    globalThis.addEventListener?.('online', this.#online);
    this.#open();
  }

  get state() {
    return this.#state;
  }

  subscribe(request, handlers = {}) {
    if (this.#state.state === 'closed') throw new Error('this client is closed');
    const id = ++this.#lastId;
    const link = {
      send: (text) => this.#send(text),
      pause: (attempt) => this.#pause(attempt),
      refused: handlers.onError ?? this.#onError,
    };
    const subscription = new Subscription(id, request, handlers, link);
    this.#subscriptions.set(id, subscription);
    if (this.#state.state === 'open') subscription.begin();
    return Object.freeze({
      get values() { return subscription.values; },
      get top() { return subscription.list; },
      get state() { return subscription.state; },
      track: (keys) => subscription.track(keys),
      untrack: (keys) => subscription.untrack(keys),
      close: () => {
        if (!this.#subscriptions.delete(id)) return;
        subscription.end();
        this.#send(JSON.stringify({ type: 'unsubscribe', id }));
      },
    });
  }

  retry() {
    if (this.#state.state === 'waiting') this.#open();
  }

  close() {
    for (const subscription of this.#subscriptions.values()) subscription.end();
    this.#subscriptions.clear();
    this.#abandon();
    globalThis.removeEventListener?.('online', this.#online);
    this.#enter({ state: 'closed' });
  }

  #open() {
    this.#abandon();
    this.#enter({ state: 'connecting' });
    const socket = new this.#Socket(this.#url, 'pgtally.v1');
    this.#socket = socket;
    socket.onopen = () => {
      this.#heard = true;
      // A server may accept connections only to drop them: reset the backoff only after the connection has lasted.
      this.#timers.settled = setTimeout(() => { this.#attempts = 0; }, 5_000);
      this.#enter({ state: 'open' });
      for (const subscription of this.#subscriptions.values()) subscription.begin();
    };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onerror = () => {};
    socket.onclose = ({ code } = {}) => {
      const unknown = this.#state.state === 'open' ? 'the connection was lost' : 'the server cannot be reached';
      this.#lose(closeReasons[code] ?? unknown);
    };
    this.#timers.idle = setTimeout(() => this.#listen(), this.#idleMs);
  }

  // Checks the link once per idleMs. After one silent tick the client pings the server, after the next it reconnects.
  // (On a dead link the socket's own close event takes minutes.)
  #listen() {
    this.#timers.idle = setTimeout(() => this.#listen(), this.#idleMs);
    if (this.#heard) {
      this.#heard = this.#asked = false;
    } else if (this.#state.state !== 'open' || this.#asked) {
      this.#lose('the server does not answer');
    } else {
      this.#asked = true;
      this.#send('{"type":"ping"}');
    }
  }

  #take(data) {
    this.#heard = true;
    let message;
    try {
      message = parse(data);
    } catch {
      this.#lose('the server sent something that is not JSON');
      return;
    }
    if (message.type === 'pong') return;
    const subscription = this.#subscriptions.get(message.id);
    if (subscription) subscription.take(message);
    else if (message.type === 'error' && message.id === undefined) call(this.#onError, message);
  }

  #lose(reason) {
    this.#abandon();
    const retryInMs = this.#pause(this.#attempts++);
    this.#timers.open = setTimeout(() => this.#open(), retryInMs);
    this.#enter({ state: 'waiting', reason, retryInMs });
    for (const subscription of this.#subscriptions.values()) subscription.lose(reason, retryInMs);
  }

  #abandon() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    this.#heard = this.#asked = false;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #send(text) {
    if (this.#state.state === 'open') this.#socket.send(text);
  }

  #pause(attempt) {
    const { min, max } = this.#backoff;
    const ceiling = Math.min(max, min * 2 ** (attempt + 1));
    return Math.round(min + Math.random() * (ceiling - min));
  }

  #enter(state) {
    if (state.state === this.#state.state) return;
    this.#state = Object.freeze(state);
    call(this.#onState, this.#state);
  }
}

/** The state of one subscription, and how messages change it. It has no access to the socket. */
class Subscription {
  values = new Map();
  list = [];
  state = Object.freeze({ state: 'connecting' });
  #id;
  #request;
  #handlers;
  #link;
  #keys; // the wanted names; null: every key
  #known = new Set(); // the names that this connection has sent to the server
  #tracks = []; // track messages without an answer yet, as arrays of names
  #answered = false; // a snapshot has arrived; errors before it concern the subscribe itself
  #epoch = null;
  #revision = null;
  #parts = null;
  #retry = { timer: undefined, attempt: 0 };

  constructor(id, { tally, keys, top, intervalMs }, handlers, link) {
    this.#id = id;
    this.#request = { tally, ...(top && { top }), ...(intervalMs && { interval_ms: intervalMs }) };
    this.#keys = keys ? new Set(Array.from(keys, String)) : null;
    this.#handlers = handlers;
    this.#link = link;
  }

  begin() {
    this.#reset();
    const message = { type: 'subscribe', id: this.#id, ...this.#request };
    let resume = this.#revision !== null;
    if (this.#keys) {
      message.keys = batches(this.#keys)[0] ?? [];
      this.#known = new Set(message.keys);
      // A resumed snapshot omits unchanged keys, so it cannot supply a key whose value this client never had.
      resume &&= message.keys.every((key) => this.values.has(key));
    }
    let text = JSON.stringify(message);
    if (resume) { // JSON.stringify refuses a BigInt
      text = `${text.slice(0, -1)},"since":{"epoch":${JSON.stringify(this.#epoch)},"revision":${this.#revision}}}`;
    }
    this.#link.send(text);
  }

  track(keys) {
    if (!this.#keys) throw new TypeError('this subscription has every key already');
    for (const key of keys) this.#keys.add(String(key));
    if (this.#answered) this.#agree();
  }

  untrack(keys) {
    if (!this.#keys) throw new TypeError('this subscription has every key: close it instead');
    for (const key of Array.from(keys, String)) {
      this.#keys.delete(key);
      this.values.delete(key);
    }
    if (this.#answered) this.#agree();
  }

  take(message) {
    switch (message.type) {
      case 'snapshot': return message.top ? this.#takeTop(message) : this.#takeSnapshot(message);
      case 'change': return message.top ? this.#takeTop(message) : this.#takeChange(message);
      case 'state': return this.#enter(message.state, message);
      case 'unsubscribed': return this.#takeDropped(message);
      case 'error': return this.#takeError(message);
      default: return undefined; // a newer server may send other types
    }
  }

  lose(reason, retryInMs) {
    this.#reset();
    this.#enter('disconnected', { reason, retryInMs });
  }

  end() {
    this.#reset();
    this.#handlers = {};
  }

  #reset() {
    clearTimeout(this.#retry.timer);
    this.#answered = false;
    this.#parts = null;
    this.#tracks = [];
    this.#known.clear();
  }

  /** Sends the names that were added and removed since the last track and untrack. */
  #agree() {
    if (!this.#keys) return;
    const gone = [...this.#known].filter((key) => !this.#keys.has(key));
    for (const keys of batches(gone)) this.#link.send(JSON.stringify({ type: 'untrack', id: this.#id, keys }));
    for (const key of gone) this.#known.delete(key);
    for (const keys of batches([...this.#keys].filter((key) => !this.#known.has(key)))) {
      this.#tracks.push(keys);
      for (const key of keys) this.#known.add(key);
      this.#link.send(JSON.stringify({ type: 'track', id: this.#id, keys }));
    }
  }

  #takeTop({ top, state, reason }) {
    this.#answered = true;
    this.list = top;
    call(this.#handlers.onTop, top);
    if (state) this.#enter(state, { reason });
  }

  #takeSnapshot(message) {
    if (this.#parts?.revision !== message.revision) {
      this.#parts = { revision: message.revision, partial: false, keys: new Map() };
    }
    const parts = this.#parts;
    parts.partial ||= message.partial === true;
    for (const [key, counters] of Object.entries(message.keys)) parts.keys.set(key, counters);
    if (message.more) return;
    this.#parts = null;

    const covers = !parts.partial && (!this.#keys || [...this.values.keys()].every((key) => parts.keys.has(key)));
    if (!this.#answered || covers) this.#revision = message.revision;
    else if (message.epoch !== this.#epoch) this.#revision = null;
    this.#epoch = message.epoch;
    if (this.#answered && this.#tracks[0]?.every((key) => parts.keys.has(key))) this.#tracks.shift();

    const changed = this.#set(parts.keys);
    if (!parts.partial && !this.#keys) this.#drop(parts.keys, changed);
    const first = !this.#answered;
    this.#answered = true;
    this.#retry.attempt = 0;
    if (first) this.#agree();
    call(this.#handlers.onSnapshot, this.values);
    if (changed.size) call(this.#handlers.onChange, changed, this.values);
    this.#enter(message.state ?? this.state.state, message);
  }

  #takeChange(message) {
    const changed = this.#set(Object.entries(message.keys));
    if (!message.more) this.#revision = message.revision;
    if (changed.size) call(this.#handlers.onChange, changed, this.values);
  }

  #takeDropped({ reason = 'unsubscribed' }) {
    this.#revision = null;
    const words = reason === 'dropped' ? 'the tally was dropped' : `the server ended the subscription: ${reason}`;
    this.#again(words, reason);
  }

  #takeError({ code, message }) {
    if (this.#answered) { // only a track can fail now: continue without its names
      const keys = this.#tracks.shift() ?? [];
      for (const key of keys) {
        this.#keys.delete(key);
        this.#known.delete(key);
      }
      call(this.#link.refused, { code, message, keys });
    } else if (code === 'unknown_tally') {
      this.#again(message, code);
    } else {
      this.#enter('failed', { reason: message, code });
    }
  }

  #again(reason, code) {
    this.#reset();
    const retryInMs = this.#link.pause(this.#retry.attempt++);
    this.#retry.timer = setTimeout(() => this.begin(), retryInMs);
    this.#enter('failed', { reason, code });
  }

  #set(entries) {
    const changed = new Map();
    for (const [key, counters] of entries) {
      if (this.#keys && !this.#keys.has(key)) continue; // untracked while the message was in flight
      const before = this.values.get(key);
      if (before && Object.keys(counters).every((name) => counters[name] === before[name])) continue;
      this.values.set(key, counters);
      changed.set(key, counters);
    }
    return changed;
  }

  #drop(kept, changed) {
    for (const [key, before] of this.values) {
      if (kept.has(key)) continue;
      this.values.delete(key);
      const zeros = Object.fromEntries(Object.keys(before).map((name) => [name, 0]));
      if (Object.values(before).some((value) => value !== 0)) changed.set(key, zeros);
    }
  }

  #enter(state, { reason, code, retryInMs } = {}) {
    const { state: before, reason: why, code: what } = this.state;
    if (state === before && reason === why && code === what && retryInMs === undefined) return;
    this.state = Object.freeze({
      state, ...(reason && { reason }), ...(code && { code }), ...(retryInMs !== undefined && { retryInMs }) });
    call(this.#handlers.onState, this.state);
  }
}

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

/** Splits names into messages: the server accepts up to 1 MiB, and a name may have half a KiB. */
function batches(keys) {
  const all = [];
  let size = Infinity;
  for (const key of keys) {
    size += 6 * key.length + 3; // worst case: every character is escaped
    if (size > 1_000_000) {
      all.push([]);
      size = 6 * key.length + 3;
    }
    all.at(-1).push(key);
  }
  return all;
}

function socketUrl(url) {
  const resolved = url ? new URL(url, globalThis.document?.baseURI) : new URL('v1/ws', import.meta.url);
  resolved.protocol = resolved.protocol.replace(/^http/, 'ws');
  if (!/^wss?:$/.test(resolved.protocol)) {
    throw new TypeError(`no server to connect to: pass connect({ url }), not ${resolved}`);
  }
  return resolved.href;
}

/** Calls a handler. If it throws, the exception is reported as uncaught, and the client continues. */
function call(handler, ...values) {
  try {
    handler?.(...values);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}
