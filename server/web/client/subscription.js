/**
 * What a page holds of a feed: its own keys, its handlers, and a value that is a new object whenever it differs, so that
 * frameworks see the change. What the page gets is made by `publicOf`: a frozen object of functions and getters, which
 * proxies (Vue's, MobX's) may wrap.
 */
import { PgtallyError } from './error.js';
import { keyList } from './keys.js';
import { frozen, same } from './state.js';
import { call, until } from './waiting.js';

export class Subscription {
  state_ = frozen({ state: 'connecting' });
  listeners_ = new Set();
  version_ = 0; // of the value
  started_ = false; // every key has had its value, or was refused
  closed_ = false;
  young_ = true; // subscribe() has not returned yet: handlers are called later
  cache_ = undefined;

  /** `single`: the value is the counters of the only key. */
  constructor(feed, question, handlers, single, report) {
    this.feed_ = feed;
    this.handlers_ = handlers;
    this.single_ = single && question.keys_[0];
    this.report_ = report;
    this.keys_ = question.keys_ && new Set();
    feed.members_.add(this);
    if (this.keys_) this.track_(question.keys_);
    else if (feed.answered_) this.change_(feed.answer_ ? null : new Map(feed.values_.held_));
    this.enter_();
    this.young_ = false;
  }

  // ---- what the page asks

  track_(keys) {
    const fresh = this.names_(keys).filter((key) => !this.closed_ && !this.keys_.has(key));
    for (const key of fresh) this.keys_.add(key);
    const { held_: held } = this.feed_.values_;
    this.change_(new Map(fresh.filter((key) => held.has(key)).map((key) => [key, held.get(key)])));
    this.feed_.want_(this, fresh);
    this.enter_();
  }

  untrack_(keys) {
    const gone = this.names_(keys).filter((key) => !this.closed_ && this.keys_.delete(key));
    this.feed_.release_(gone);
    if (gone.length) this.touch_();
    this.enter_();
  }

  names_(keys) {
    if (!this.keys_) throw new TypeError('this subscription names no keys: it has every key already, or a list');
    return keyList(keys);
  }

  // ---- what the feed tells

  /** `changed`: the keys that differ; null: the list or the sums do. */
  change_(changed) {
    const mine = changed && this.keys_ ? this.of_(changed) : changed;
    if (!mine || mine.size) {
      this.touch_();
      const { onChange } = this.handlers_;
      this.run_(() => {
        if (!mine || this.single_ !== false) call(onChange, this.value_);
        // Making the Map of all keys costs as much as there are keys: not for a handler that does not take it.
        else call(onChange, mine, ...(onChange?.length === 1 ? [] : [this.value_]));
      });
    }
    if (!this.started_) this.enter_();
  }

  of_(changed) {
    const few = changed.size < this.keys_.size ? changed.keys() : this.keys_;
    return new Map([...few].filter((key) => changed.has(key) && this.keys_.has(key)).map((key) => [key, changed.get(key)]));
  }

  refuse_(error, all) {
    const keys = all.filter((key) => this.keys_?.has(key));
    if (!keys.length) return;
    this.run_(() => call(this.handlers_.onError ?? this.report_, { ...error, keys }));
    this.enter_();
  }

  enter_() {
    const { feed_: { answered_: answered, values_: { held_: held }, refused_: refused, state_: state }, keys_: keys } = this;
    this.started_ ||= answered && [...keys ?? []].every((key) => held.has(key) || refused.has(key));
    let shown = state;
    if (refused.size && keys?.size && [...keys].every((key) => refused.has(key))) {
      const { code, message: reason } = refused.get([...keys][0]);
      shown = { state: 'failed', reason, code };
    } else if (!this.started_ && state.state === 'live') shown = this.state_;
    if (!same(shown, this.state_)) {
      const now = this.state_ = frozen(shown);
      this.run_(() => call(this.handlers_.onState, now));
    }
    this.wake_();
  }

  touch_() {
    this.cache_ = undefined;
    this.version_ += 1;
    this.wake_();
  }

  wake_() {
    if (this.listeners_.size) this.run_(() => { for (const listener of [...this.listeners_]) call(listener); });
  }

  run_(task) {
    if (this.young_) queueMicrotask(() => this.run_(task));
    else if (!this.closed_) task();
  }

  // ---- the value

  get value_() {
    const { feed_: { answer_: answer, values_: { held_: held } }, keys_: keys, single_: single } = this;
    if (this.closed_ || this.cache_ !== undefined) return this.cache_;
    if (single !== false) this.cache_ = held.get(single);
    else if (keys) this.cache_ = new Map([...keys].filter((key) => held.has(key)).map((key) => [key, held.get(key)]));
    else this.cache_ = this.feed_.question_.kind_ === 'every' ? new Map(held) : answer;
    return this.cache_;
  }

  /** A promise of the value, once `test` is true. */
  when_(test, signal) {
    return until(this.listeners_, () => {
      if (this.closed_) throw new PgtallyError('closed', 'this subscription is closed');
      return test() && { value: this.value_ };
    }, signal);
  }

  ready_(signal) {
    return this.when_(() => {
      const { state, code = state, reason = state } = this.state_;
      if (state === 'failed' && !this.started_) throw new PgtallyError(code, reason);
      return this.started_;
    }, signal);
  }

  once_(signal) {
    const { version_: version } = this;
    return this.when_(() => this.version_ > version, signal);
  }

  async* newest_() {
    for (let seen = this.started_ ? -1 : this.version_; ;) {
      await until(this.listeners_, () => (this.closed_ || this.version_ > seen) && {});
      if (this.closed_) return;
      seen = this.version_;
      yield this.value_;
    }
  }

  end_() {
    void this.value_; // what was known stays readable
    this.closed_ = true;
    for (const listener of [...this.listeners_]) call(listener);
    this.listeners_.clear();
  }
}

/** What the page gets. */
export function publicOf(inner, close) {
  return Object.freeze({
    get value() { return inner.value_; },
    get values() { return inner.value_; },
    get state() { return inner.state_; },
    track: (keys) => inner.track_(keys),
    untrack: (keys) => inner.untrack_(keys),
    ready: ({ signal } = {}) => inner.ready_(signal),
    once: ({ signal } = {}) => inner.once_(signal),
    listen: (listener) => {
      const mine = () => listener();
      inner.listeners_.add(mine);
      return () => inner.listeners_.delete(mine);
    },
    [Symbol.asyncIterator]: () => inner.newest_(),
    close,
  });
}
