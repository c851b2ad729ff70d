/** The client: joins connection, feeds and actions. What the page gets is a frozen object of functions and getters. */
import { act } from './actions.js';
import { Connection, transports } from './connection.js';
import { PgtallyError, call } from './error.js';
import { Feed } from './feed.js';
import { describe } from './keys.js';
import { questionOf } from './question.js';
import { Subscription, publicOf } from './subscription.js';
import { Token } from './token.js';

export class Client {
  feeds = new Map(); // the question's name -> feed
  byId = new Map();
  lastId = 0;
  waiting = new Set(); // for a change of the connection's state

  constructor(options, defaultUrl) {
    const { onState, onError, signal } = options;
    this.settings = settingsOf(options, defaultUrl);
    this.report = onError ?? ((error) => console.warn('pgtally:', error.code, error.message));
    this.connection = new Connection(this.settings, {
      onState: (state) => {
        if (this.connection) call(onState, state);
        else queueMicrotask(() => call(onState, state)); // connect() has not returned yet
        for (const look of [...this.waiting]) look();
      },
      onOpen: () => { for (const feed of this.feeds.values()) feed.begin(); },
      onMessage: (message) => this.take(message),
      onLose: (reason, retryInMs) => { for (const feed of this.feeds.values()) feed.lose(reason, retryInMs); },
      onDoubt: (reason) => { for (const feed of this.feeds.values()) feed.suspect(reason); },
    });
    if (signal?.aborted) this.close();
    else signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  get isOpen() {
    return this.connection?.state.state === 'open';
  }

  subscribe(request, handlers = {}, single = false) {
    if (this.connection.state.state === 'closed') throw new Error('this client is closed');
    const question = questionOf(request);
    const { signal } = handlers;
    const inner = new Subscription(question, handlers, { single, report: (error) => call(this.report, error) });
    const close = () => this.leave(inner);
    const feed = this.feedOf(question);
    inner.attach(feed);
    if (!feed.asks && !feed.retry.timer && this.isOpen) feed.begin();
    if (signal?.aborted) close();
    else signal?.addEventListener('abort', close, { once: true });
    return publicOf(inner, close);
  }

  feedOf(question) {
    const known = this.feeds.get(question.name);
    if (known) return known;
    const id = ++this.lastId;
    const feed = new Feed(id, question, {
      send: (message) => this.connection.send(message),
      pause: (attempt) => this.connection.backoff(attempt),
      report: (error) => call(this.report, error),
    });
    this.feeds.set(question.name, feed);
    this.byId.set(id, feed);
    const { state, reason, retryInMs } = this.connection.state;
    if (state === 'waiting' || state === 'paused') feed.enter({ state: 'disconnected', reason, retryInMs });
    return feed;
  }

  leave(inner) {
    const { feed } = inner;
    if (inner.closed) return;
    inner.end();
    feed.leave(inner);
    if (feed.members.size) return;
    feed.end();
    this.feeds.delete(feed.question.name);
    this.byId.delete(feed.id);
    this.connection.send({ type: 'unsubscribe', id: feed.id });
    for (const other of this.feeds.values()) if (other.told.code === 'too_many_subscriptions' && this.isOpen) other.begin();
  }

  take(message) {
    const feed = this.byId.get(message.id);
    if (feed) feed.take(message);
    else if (message.type === 'error' && message.id === undefined) call(this.report, message);
  }

  async act(tally, key, action, body, options) {
    const answer = await act(this.settings, { tally, key, action, body }, options);
    if (answer.counters) {
      for (const feed of this.feeds.values()) if (feed.question.tally === tally) feed.learn(String(key), answer);
    }
    return answer;
  }

  ready({ signal } = {}) {
    return new Promise((resolve, reject) => {
      const aborted = () => end(reject, signal.reason);
      const end = (settle, outcome) => {
        this.waiting.delete(look);
        signal?.removeEventListener('abort', aborted);
        settle(outcome);
      };
      const look = () => {
        if (this.isOpen) end(resolve);
        else if (this.connection.state.state === 'closed') end(reject, new PgtallyError('closed', 'this client is closed'));
      };
      if (signal?.aborted) aborted();
      else signal?.addEventListener('abort', aborted);
      this.waiting.add(look);
      look();
    });
  }

  retry() {
    if (this.connection.state.state === 'waiting') this.connection.open();
  }

  close() {
    for (const feed of this.feeds.values()) {
      feed.end();
      for (const member of feed.members) member.end();
    }
    this.feeds.clear();
    this.byId.clear();
    this.connection.close();
  }

  get public() {
    const subscribe = (request, handlers) => this.subscribe(request, handlers);
    const { connection } = this;
    return Object.freeze({
      subscribe,
      value: (tally, key, handlers) => this.subscribe({ tally, keys: [key] }, handlers, true),
      top: (tally, { by, limit, intervalMs }, handlers) => subscribe({ tally, top: { by, limit }, intervalMs }, handlers),
      sum: (tally, handlers) => subscribe({ tally, sum: true }, handlers),
      rank: (tally, { by, key, around, intervalMs }, handlers) => subscribe({ tally, rank: { by, key, around }, intervalMs }, handlers),
      act: (...values) => this.act(...values),
      ready: (options) => this.ready(options),
      retry: () => this.retry(),
      close: () => this.close(),
      get state() { return connection.state; },
      get transport() { return connection.state.state === 'open' ? connection.choice.name : null; },
      get reason() { return connection.reason; },
    });
  }
}

function settingsOf(options, defaultUrl) {
  const { url, WebSocket: Socket = globalThis.WebSocket, getToken, backoffMs, idleMs = 10_000, hiddenMs = 30_000 } = options;
  const names = options.transports ?? Object.keys(transports);
  if (!Array.isArray(names) || !names.length || names.some((name) => !Object.hasOwn(transports, name))) {
    throw new TypeError(`transports is a list of ${Object.keys(transports).join(', ')}, not ${describe(options.transports)}`);
  }
  if (names.join() === 'websocket' && !Socket) throw new TypeError('this runtime has no WebSocket: pass one, connect({ WebSocket })');
  const fetch = options.fetch ?? globalThis.fetch?.bind(globalThis);
  const token = new Token(getToken);
  return { ...addressesOf(url, defaultUrl), Socket, fetch, token, idleMs, hiddenMs, transports: names, backoffMs: { min: 100, max: 10_000, ...backoffMs } };
}

/** The address of the WebSocket, and the folder of the requests: v1/ of a server whose address is given as a folder. */
function addressesOf(url, defaultUrl) {
  const resolved = new URL(url ?? defaultUrl, globalThis.document?.baseURI);
  if (!/^(ws|http)s?:$/.test(resolved.protocol)) throw new TypeError(`no server to connect to: pass connect({ url }), not ${resolved}`);
  const socket = new URL(resolved);
  socket.protocol = resolved.protocol.replace('http', 'ws');
  const http = new URL('.', resolved);
  http.protocol = resolved.protocol.replace('ws', 'http');
  return { socketUrl: socket.href, base: http.href };
}
