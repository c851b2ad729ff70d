/** The client: joins connection, feeds and actions. What the page gets is a frozen object of functions and getters. */
import { act } from './actions.js';
import { Connection, transports } from './connection.js';
import { PgtallyError } from './error.js';
import { Feed } from './feed.js';
import { describe } from './keys.js';
import { questionOf } from './question.js';
import { Subscription, publicOf } from './subscription.js';
import { Token } from './token.js';
import { call, onAbort, until } from './waiting.js';

export class Client {
  feeds_ = new Map(); // the question's name -> feed
  lastId_ = 0;
  listeners_ = new Set(); // of the connection's state

  constructor(options, defaultUrl) {
    const { onState, onError, signal } = options;
    this.settings_ = settingsOf(options, defaultUrl);
    const warn = (error) => console.warn('pgtally:', error.code, error.message);
    this.report_ = (error) => call(onError ?? warn, error);
    const each = (run) => { for (const feed of this.feeds_.values()) run(feed); };
    this.connection_ = new Connection(this.settings_, {
      state_: (state) => {
        // A microtask: connect() has to return before its handlers are called.
        if (this.connection_) call(onState, state);
        else queueMicrotask(() => call(onState, state));
        for (const look of [...this.listeners_]) look();
      },
      open_: () => each((feed) => feed.begin_()),
      message_: (message) => this.take_(message),
      lose_: (reason, retryInMs) => each((feed) => feed.lose_(reason, retryInMs)),
      doubt_: (reason) => each((feed) => feed.suspect_(reason)),
    });
    onAbort(signal, () => this.close_());
  }

  is_(state) {
    return this.connection_.state_.state === state;
  }

  subscribe_(request, handlers = {}, single = false) {
    if (this.is_('closed')) throw new Error('this client is closed');
    const question = questionOf(request);
    const feed = this.feedOf_(question);
    const inner = new Subscription(feed, question, handlers, single, this.report_);
    if (feed.isIdle_ && this.is_('open')) feed.begin_();
    const close = () => this.leave_(feed, inner);
    onAbort(handlers.signal, close);
    return publicOf(inner, close);
  }

  feedOf_(question) {
    const known = this.feeds_.get(question.name_);
    if (known) return known;
    const feed = new Feed(++this.lastId_, question, {
      send_: (message) => this.connection_.send_(message),
      pause_: (attempt) => this.connection_.backoff_(attempt),
      report_: this.report_,
    });
    this.feeds_.set(question.name_, feed);
    const { reason, retryInMs } = this.connection_.state_;
    if (this.is_('waiting') || this.is_('paused')) feed.enter_({ state: 'disconnected', reason, retryInMs });
    return feed;
  }

  leave_(feed, inner) {
    if (inner.closed_) return;
    inner.end_();
    feed.leave_(inner);
    if (feed.members_.size) return;
    feed.end_();
    this.feeds_.delete(feed.question_.name_);
    this.connection_.send_({ type: 'unsubscribe', id: feed.id_ });
    for (const other of this.feeds_.values()) if (other.told_.code === 'too_many_subscriptions' && this.is_('open')) other.begin_();
  }

  take_(message) {
    for (const feed of this.feeds_.values()) if (feed.id_ === message.id) feed.take_(message);
    if (message.type === 'error' && message.id === undefined) this.report_(message);
  }

  async act_(tally, key, ...more) {
    const answer = await act(this.settings_, tally, key, ...more);
    for (const feed of this.feeds_.values()) if (answer.counters && feed.question_.tally_ === tally) feed.learn_(String(key), answer);
    return answer;
  }

  ready_(signal) {
    return until(this.listeners_, () => {
      if (this.is_('closed')) throw new PgtallyError('closed', 'this client is closed');
      return this.is_('open') && {};
    }, signal);
  }

  close_() {
    for (const feed of this.feeds_.values()) {
      feed.end_();
      for (const member of feed.members_) member.end_();
    }
    this.feeds_.clear();
    this.connection_.close_();
  }

  get public_() {
    const { connection_: connection } = this;
    const subscribe = (request, handlers) => this.subscribe_(request, handlers);
    return Object.freeze({
      subscribe,
      value: (tally, key, handlers) => this.subscribe_({ tally, keys: [key] }, handlers, true),
      top: (tally, { intervalMs, ...top }, handlers) => subscribe({ tally, top, intervalMs }, handlers),
      sum: (tally, handlers) => subscribe({ tally, sum: true }, handlers),
      rank: (tally, { intervalMs, ...rank }, handlers) => subscribe({ tally, rank, intervalMs }, handlers),
      act: (...values) => this.act_(...values),
      ready: ({ signal } = {}) => this.ready_(signal),
      retry: () => { if (this.is_('waiting')) connection.open_(); },
      close: () => this.close_(),
      get state() { return connection.state_; },
      get transport() { return connection.state_.state === 'open' ? connection.choice_.name_ : null; },
      get reason() { return connection.reason_; },
    });
  }
}

function settingsOf(options, defaultUrl) {
  const { url = defaultUrl, WebSocket: Socket = globalThis.WebSocket, getToken, backoffMs, idleMs = 10_000, hiddenMs = 30_000 } = options;
  const known = Object.keys(transports);
  const { transports: names = known, fetch = globalThis.fetch?.bind(globalThis) } = options;
  if (!Array.isArray(names) || !names.length || names.some((name) => !known.includes(name))) {
    throw new TypeError(`transports is a list of ${known}, not ${describe(names)}`);
  }
  if (String(names) === 'websocket' && !Socket) throw new TypeError('this runtime has no WebSocket: pass one, connect({ WebSocket })');
  const token = new Token(getToken);
  return { ...addressesOf(url), Socket, fetch, token_: token, idleMs, hiddenMs, names_: names, backoffMs: { min: 100, max: 10_000, ...backoffMs } };
}

/** The address of the WebSocket, and the folder of the requests: v1/ of a server whose address is given as a folder. */
function addressesOf(url) {
  const { href, protocol } = new URL(url, globalThis.document?.baseURI);
  if (!/^(ws|http)s?:$/.test(protocol)) throw new TypeError(`no server to connect to: pass connect({ url }), not ${href}`);
  return { socketUrl: href.replace(/^http/, 'ws'), base: new URL('.', href.replace(/^ws/, 'http')).href };
}
