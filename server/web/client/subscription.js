/**
 * What a page holds of a feed: its own keys, its handlers, and a value that is a new object whenever it differs, so that
 * frameworks see the change. What the page gets is made by `publicOf`: a frozen object of functions and getters, which
 * proxies (Vue's, MobX's) may wrap.
 */
import { badKey, keyList } from './keys.js';
import { PgtallyError, call } from './error.js';
import { frozen, same } from './feed.js';

export class Subscription {
  state = Object.freeze({ state: 'connecting' });
  listeners = new Set();
  version = 0; // of the value
  started = false; // every key has had its value
  closed = false;
  young = true; // subscribe() has not returned yet: handlers are called later
  denied = new Map(); // the keys that were refused -> why
  cache = undefined;

  /** `single`: the value is the counters of the only key. */
  constructor(question, handlers, { single = false, report }) {
    Object.assign(this, { question, handlers, single, report, feed: null, keys: question.keys && new Set() });
    this.missing = new Set();
  }

  attach(feed) {
    this.feed = feed;
    if (this.keys) this.track(this.question.keys);
    feed.join(this);
    if (!this.keys && feed.answer !== undefined) this.change(null);
    if (!this.keys && feed.begun) this.change(new Map(feed.values.held));
    this.enter();
    this.young = false;
  }

  // ---- what the page asks

  track(keys) {
    if (!this.keys) throw new TypeError('this subscription names no keys: it has every key already, or a list');
    const fresh = keyList(keys).filter((key) => !this.closed && !this.keys.has(key));
    const good = fresh.filter((key) => badKey(key) === undefined);
    for (const key of fresh) this.keys.add(key);
    const { held } = this.feed.values;
    const known = new Map(good.filter((key) => held.has(key)).map((key) => [key, held.get(key)]));
    if (!this.started) for (const key of good) this.missing.add(key);
    this.change(known);
    this.feed.want(this, good);
    for (const key of fresh) if (badKey(key)) this.refuse({ code: 'bad_key', message: badKey(key), keys: [key] });
    this.enter();
  }

  untrack(keys) {
    if (!this.keys) throw new TypeError('this subscription names no keys: close it instead');
    const gone = keyList(keys).filter((key) => this.keys.delete(key));
    for (const key of gone) this.missing.delete(key);
    for (const key of gone) this.denied.delete(key);
    if (!gone.length || this.closed) return;
    this.feed.release(this, gone);
    this.touch();
    this.enter();
  }

  // ---- what the feed tells

  /** `changed`: the keys that differ; null: the list or the sums do. */
  change(changed, bySnapshot = false) {
    const differs = changed === null || changed.size > 0;
    for (const key of changed?.keys() ?? []) {
      this.missing.delete(key);
      this.denied.delete(key);
    }
    if (differs) this.touch();
    const { onSnapshot, onChange, onTop } = this.handlers;
    // Making the Map of all keys costs as much as there are keys: not for a handler that does not take it.
    this.run(() => {
      if (bySnapshot && onSnapshot) call(onSnapshot, this.value);
      if (!differs) return;
      if (this.question.kind === 'top') call(onTop, this.value);
      if (!onChange) return;
      if (changed && !this.single) call(onChange, changed, ...(onChange.length === 1 ? [] : [this.value]));
      else call(onChange, this.value);
    });
  }

  refuse(error) {
    const keys = error.keys.filter((key) => this.keys.has(key));
    for (const key of keys) {
      this.missing.delete(key);
      this.denied.set(key, error);
    }
    if (!keys.length) return;
    this.run(() => call(this.handlers.onError ?? this.report, { ...error, keys }));
    this.enter();
  }

  enter() {
    const { feed } = this;
    this.started ||= this.missing.size === 0 && (feed.begun || feed.answer !== undefined);
    let shown = feed.state;
    const [why] = this.denied.values();
    if (why && this.denied.size === this.keys.size) shown = { state: 'failed', reason: why.message, code: why.code };
    else if (!this.started && shown.state === 'live') shown = this.state;
    if (!same(shown, this.state)) {
      this.state = frozen(shown);
      const state = this.state;
      this.run(() => call(this.handlers.onState, state));
    }
    this.wake();
  }

  touch() {
    this.cache = undefined;
    this.version += 1;
    this.wake();
  }

  wake() {
    if (this.listeners.size) this.run(() => { for (const listener of [...this.listeners]) call(listener); });
  }

  run(task) {
    if (this.young) queueMicrotask(() => { if (!this.closed) task(); });
    else if (!this.closed) task();
  }

  // ---- the value

  get value() {
    if (this.cache === undefined && this.feed) this.cache = this.made();
    return this.cache;
  }

  made() {
    const { held } = this.feed.values;
    if (this.single) return held.get(this.question.keys[0]);
    if (this.question.kind === 'every') return new Map(held);
    if (this.keys) return new Map([...this.keys].filter((key) => held.has(key)).map((key) => [key, held.get(key)]));
    return this.feed.answer;
  }

  /** A promise of what `test` returns as { value }; it may throw. It is asked again whenever something differs. */
  until(test, signal) {
    return new Promise((resolve, reject) => {
      const end = (settle, outcome) => {
        this.listeners.delete(look);
        signal?.removeEventListener('abort', aborted);
        settle(outcome);
      };
      const aborted = () => end(reject, signal.reason);
      const look = () => {
        try {
          const found = test();
          if (found) end(resolve, found.value);
        } catch (error) {
          end(reject, error);
        }
      };
      if (signal?.aborted) aborted();
      else signal?.addEventListener('abort', aborted);
      this.listeners.add(look);
      look();
    });
  }

  ready(signal) {
    return this.until(() => {
      if (this.closed) throw closedError();
      if (this.started) return { value: this.value };
      if (this.state.state === 'failed') throw new PgtallyError(this.state.code ?? 'failed', this.state.reason ?? 'failed');
      return undefined;
    }, signal);
  }

  once(signal) {
    const { version } = this;
    return this.until(() => {
      if (this.closed) throw closedError();
      return this.version > version ? { value: this.value } : undefined;
    }, signal);
  }

  async* newest() {
    for (let seen = this.started ? -1 : this.version; ;) {
      await this.until(() => (this.closed || this.version > seen ? {} : undefined));
      if (this.closed) return;
      seen = this.version;
      yield this.value;
    }
  }

  end() {
    if (this.closed) return;
    this.cache = this.value; // what was known stays readable
    this.closed = true;
    for (const listener of [...this.listeners]) call(listener);
    this.listeners.clear();
  }
}

const closedError = () => new PgtallyError('closed', 'this subscription is closed');

/** What the page gets. */
export function publicOf(inner, close) {
  return Object.freeze({
    get value() { return inner.value; },
    get values() { return inner.question.kind === 'every' || inner.keys ? inner.value : new Map(); },
    get top() { return inner.question.kind === 'top' ? inner.value ?? [] : []; },
    get state() { return inner.state; },
    track: (keys) => inner.track(keys),
    untrack: (keys) => inner.untrack(keys),
    ready: ({ signal } = {}) => inner.ready(signal),
    once: ({ signal } = {}) => inner.once(signal),
    listen: (listener) => {
      const mine = () => listener();
      inner.listeners.add(mine);
      return () => inner.listeners.delete(mine);
    },
    [Symbol.asyncIterator]: () => inner.newest(),
    close,
  });
}
