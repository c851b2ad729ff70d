/**
 * One subscription on the wire, shared by all subscriptions of the page that ask the same, and by all that name keys of
 * one tally: it tracks the union of their keys. It has no access to the socket.
 *
 * Model
 *   1. One request at a time waits for its answer (a subscribe, or a track), so that an error is about that request,
 *      and keys that are wanted meanwhile go together. The subscribe is answered by its first snapshot.
 *   2. A refusal concerns what was refused. A bad key is isolated: the one that the error names is left out, or the keys
 *      are asked for by halves until it is found. It is asked for again when the tally is another one (its epoch). A
 *      subscribe that is refused otherwise is repeated after a growing pause, because its cause may have gone.
 *   3. A new connection asks only for what changed meanwhile: `since` carries the epoch and the newest revision up to
 *      which this client has received everything. That is the revision of a change, or of the last part of a snapshot
 *      that covers all held keys. It is never the revision of a snapshot that answers a track: such a snapshot can
 *      overtake an older change of another key. A transport that cannot say has no revision.
 *   4. Parts of a snapshot (`more`) are collected and take effect together. A snapshot always holds every named key, so
 *      for named keys setting is enough.
 *   5. The state is the server's, but 'live' is shown only when everything that was asked for has been answered, after
 *      the values, and not while the link is in doubt.
 */
import { batches } from './keys.js';
import { limits } from './limits.js';
import { Values } from './values.js';

export class Feed {
  values = new Values();
  answer = undefined; // of top, sum, rank
  members = new Set(); // the page's subscriptions
  wanted = new Map(); // key -> the members that name it
  refused = new Map(); // key -> the error
  state = Object.freeze({ state: 'connecting' }); // as members see it

  /** `link`: send(message), pause(attempt) -> ms, report(error). */
  constructor(id, question, link) {
    Object.assign(this, { id, question, link, named: question.kind === 'keys' });
    this.asks = false; // this connection was asked
    this.begun = false; // and has answered the subscribe
    this.known = new Set(); // the names that this connection has sent
    this.suspects = []; // lists of names to be asked for apart, since one of them was refused
    this.asked = null; // the request without an answer: { begins, keys, left }
    this.told = this.state; // what the server said
    this.doubt = null;
    this.catching = true; // something that members want has not been answered by this connection
    this.epoch = this.revision = this.parts = null;
    this.retry = { timer: undefined, attempt: 0 };
  }

  // ---- members

  join(member) {
    this.members.add(member);
  }

  leave(member) {
    this.members.delete(member);
    if (this.named) this.release(member, member.keys);
  }

  want(member, keys) {
    for (const key of keys) {
      if (!this.wanted.has(key)) this.wanted.set(key, new Set());
      this.wanted.get(key).add(member);
      const why = this.refused.get(key);
      if (why) member.refuse({ ...why, keys: [key] });
    }
    this.agree();
  }

  release(member, keys) {
    let room = false;
    for (const key of keys) {
      const by = this.wanted.get(key);
      if (!by?.delete(member) || by.size) continue;
      this.wanted.delete(key);
      this.refused.delete(key);
      this.values.forget(key);
      room = true;
    }
    if (!room) return;
    for (const [key, { code }] of this.refused) if (code === 'too_many_keys') this.refused.delete(key);
    this.agree();
  }

  // ---- what is sent

  begin(careful = false) {
    const { suspects } = this;
    this.reset();
    if (careful) this.suspects = suspects;
    const message = { type: 'subscribe', id: this.id, tally: this.question.tally, ...this.question.wire };
    let resume = this.revision !== null && this.answer === undefined;
    if (this.named) {
      message.keys = careful ? [] : batches(this.wishes())[0] ?? [];
      this.known = new Set(message.keys);
      // A resumed snapshot omits unchanged keys, so it cannot supply a key whose value this client never had.
      resume &&= message.keys.every((key) => this.values.held.has(key));
    }
    if (resume) message.since = { epoch: this.epoch, revision: this.revision };
    this.asks = true;
    this.asked = { begins: true, keys: message.keys ?? [], left: new Set(message.keys) };
    this.link.send(message);
  }

  /** Sends the names that were added and removed, once nothing waits for an answer. */
  agree() {
    if (!this.named || !this.begun || this.asked) return;
    const gone = [...this.known].filter((key) => !this.wanted.has(key));
    for (const key of gone) this.known.delete(key);
    for (const keys of batches(gone)) this.link.send({ type: 'untrack', id: this.id, keys });
    this.suspects = this.suspects.map((keys) => keys.filter((key) => this.isNew(key))).filter(({ length }) => length);
    const [keys] = batches(this.suspects.shift() ?? this.wishes());
    if (!keys) return;
    for (const key of keys) this.known.add(key);
    this.asked = { begins: false, keys, left: new Set(keys) };
    this.link.send({ type: 'track', id: this.id, keys });
  }

  isNew(key) {
    return this.wanted.has(key) && !this.known.has(key) && !this.refused.has(key);
  }

  /** The names to send; those beyond the server's limit are refused. */
  wishes() {
    const fresh = [...this.wanted.keys()].filter((key) => this.isNew(key));
    const beyond = fresh.splice(Math.max(0, limits.keys - this.known.size));
    const message = `a page follows at most ${limits.keys} keys of a tally by name`;
    if (beyond.length) this.refuse(beyond, { code: 'too_many_keys', message });
    return fresh;
  }

  // ---- what is heard

  take(message) {
    switch (message.type) {
      case 'snapshot': return this.takeSnapshot(message);
      case 'change': return this.takeChange(message);
      case 'state': return this.enter(message);
      case 'unsubscribed': return this.takeEnd(message);
      case 'error': return this.takeError(message);
      default: return undefined; // a newer server may send other types
    }
  }

  takeSnapshot(message) {
    if (!message.keys) {
      this.takeAnswer(message);
      return;
    }
    if (this.parts?.revision !== message.revision) this.parts = { revision: message.revision, partial: false, keys: new Map() };
    const { keys } = this.parts;
    this.parts.partial ||= message.partial === true;
    for (const [key, counters] of Object.entries(message.keys)) keys.set(key, counters);
    if (message.more) return;
    const { partial } = this.parts;
    this.parts = null;

    for (const key of keys.keys()) this.asked?.left.delete(key);
    const answers = this.asked?.left.size === 0 || (this.asked?.begins && !message.apart);
    const begins = answers && this.asked.begins;
    if (message.epoch !== this.epoch) this.meet(message.epoch);
    const covers = !partial && (!this.named || [...this.values.held.keys()].every((key) => keys.has(key)));
    if (begins || covers) this.revision = message.apart ? null : message.revision;
    if (answers) this.asked = null;
    if (begins) {
      this.begun = true;
      this.retry.attempt = 0;
    }

    const changed = this.values.set(keys, message.revision, (key) => !this.named || this.wanted.has(key));
    if (!partial && !this.named) this.values.keepOnly(keys, changed, message.revision);
    const touched = begins || !this.named ? this.members : this.membersOf(keys.keys());
    const parts = this.split(changed);
    for (const member of touched) member.change(parts.get(member) ?? new Map(), true);
    this.agree();
    this.settle(message.state ? message : this.told);
    // Those that waited for a key of a feed that is live already: the feed's state did not change, theirs does.
    for (const member of touched) if (!same(member.state, this.state)) member.enter();
  }

  takeAnswer(message) {
    const { top, sum, size, rank, around, by } = message;
    this.answer = top ?? (rank ? { rank, around, by } : { sum, size });
    this.asked = null;
    this.retry.attempt = 0;
    if (message.epoch) this.epoch = message.epoch;
    for (const member of this.members) member.change(null);
    return this.settle(message.state ? message : this.told);
  }

  takeChange(message) {
    if (!message.keys) return this.takeAnswer(message);
    const changed = this.values.set(Object.entries(message.keys), message.revision, (key) => !this.named || this.wanted.has(key));
    if (!message.more) this.revision = message.apart ? null : message.revision;
    return this.tell(changed);
  }

  takeEnd({ reason = 'unsubscribed' }) {
    this.revision = null;
    this.again(reason === 'dropped' ? 'the tally was dropped' : `the server ended the subscription: ${reason}`, reason);
  }

  takeError({ code, message, key }) {
    const { begins, keys } = this.asked ?? {};
    if (code === 'unknown_id' || (begins && (code !== 'bad_key' || !keys.length))) {
      this.again(message, code);
    } else if (keys) {
      this.asked = null;
      for (const name of keys) this.known.delete(name);
      if (code === 'bad_key') this.isolate(keys, String(key), { code, message });
      else this.refuse(keys, { code, message });
      if (begins) this.begin(true);
      else this.agree();
      this.settle(this.told);
    } else {
      this.link.report({ code, message });
    }
  }

  /** One of these keys is bad. */
  isolate(keys, named, error) {
    const bad = keys.length === 1 ? keys[0] : keys.find((key) => key === named);
    const rest = keys.filter((key) => key !== bad);
    const half = Math.ceil(rest.length / 2);
    this.suspects.unshift(...[rest.slice(0, half), rest.slice(half)].filter(({ length }) => length));
    if (bad !== undefined) this.refuse([bad], error);
  }

  refuse(keys, error) {
    const told = new Map();
    for (const key of keys) {
      this.refused.set(key, error);
      for (const member of this.wanted.get(key) ?? []) told.set(member, [...(told.get(member) ?? []), key]);
    }
    for (const [member, names] of told) member.refuse({ ...error, keys: names });
  }

  /** An action's answer: the key's counters at a revision. */
  learn(key, { counters, epoch, revision }) {
    if (this.revision === null || epoch !== this.epoch || revision <= this.revision) return;
    if (this.named ? !this.values.held.has(key) : this.question.kind !== 'every') return;
    const changed = this.values.set([[key, counters]], revision);
    this.values.ahead.set(key, revision);
    this.tell(changed);
  }

  // ---- states

  lose(reason, retryInMs) {
    this.reset();
    this.doubt = null;
    this.enter({ state: 'disconnected', reason, retryInMs });
  }

  /** The link is being asked whether it lives; null: it does. */
  suspect(reason) {
    this.doubt = reason;
    this.enter(this.told);
  }

  end() {
    clearTimeout(this.retry.timer);
  }

  reset() {
    clearTimeout(this.retry.timer);
    this.retry.timer = undefined;
    // Names that this connection did not ask for are older than the revision that the others have.
    if (this.asks && this.catching && (this.wishes().length || this.asked?.begins === false)) this.revision = null;
    this.catching = true;
    this.asked = this.parts = null;
    this.asks = this.begun = false;
    this.suspects = [];
    this.known.clear();
  }

  again(reason, code) {
    this.reset();
    const retryInMs = this.link.pause(this.retry.attempt++);
    this.retry.timer = setTimeout(() => this.begin(), retryInMs);
    this.enter({ state: 'failed', reason, code });
  }

  meet(epoch) {
    this.revision = null;
    this.values.ahead.clear();
    if (this.epoch !== null) this.refused.clear();
    this.epoch = epoch;
  }

  settle(message) {
    this.catching &&= this.asked !== null;
    this.enter(message);
  }

  enter({ state, reason, code, retryInMs }) {
    this.told = { state, reason, code, retryInMs };
    let shown = this.told;
    if (this.doubt) shown = { state: 'disconnected', reason: this.doubt };
    else if (this.catching && state === 'live') shown = this.state;
    if (same(shown, this.state)) return;
    this.state = frozen(shown);
    for (const member of this.members) member.enter();
  }

  tell(changed) {
    for (const [member, part] of this.split(changed)) member.change(part);
  }

  /** What differs, by the members that it concerns. */
  split(changed) {
    const parts = new Map();
    if (!this.named && changed.size) for (const member of this.members) parts.set(member, changed);
    if (!this.named) return parts;
    for (const [key, counters] of changed) {
      for (const member of this.wanted.get(key) ?? []) {
        if (!parts.has(member)) parts.set(member, new Map());
        parts.get(member).set(key, counters);
      }
    }
    return parts;
  }

  membersOf(keys) {
    const found = new Set();
    for (const key of keys) for (const member of this.wanted.get(key) ?? []) found.add(member);
    return found;
  }
}

export function same(a, b) {
  return a.state === b.state && a.reason === b.reason && a.code === b.code && a.retryInMs === b.retryInMs;
}

export function frozen({ state, reason, code, retryInMs }) {
  return Object.freeze({ state, ...(reason && { reason }), ...(code && { code }), ...(retryInMs !== undefined && { retryInMs }) });
}
