/**
 * One subscription on the wire, shared by all subscriptions of the page that ask the same, and by all that name keys of
 * one tally: it tracks the union of their keys. It has no access to the socket.
 *
 * Model
 *   1. One request at a time waits for its answer (a subscribe, or a track), so that an error is about that request,
 *      and keys that are wanted meanwhile go together. The subscribe is answered by its first snapshot.
 *   2. A refusal concerns what was refused. The bad key that an error names is left out, and the rest is asked for
 *      again. It is asked for again when the tally is another one (its epoch). A subscribe that is refused otherwise is
 *      repeated after a growing pause, because its cause may have gone.
 *   3. A new connection asks only for what changed meanwhile: `since` carries the epoch and the newest revision up to
 *      which this client has received everything. That is the revision of a change, or of the last part of a snapshot
 *      that covers all held keys. It is never the revision of a snapshot that answers a track: such a snapshot can
 *      overtake an older change of another key. A transport that reads a feed in parts (`apart`) has no such revision.
 *   4. Parts of a snapshot (`more`) are collected and take effect together. A snapshot always holds every named key, so
 *      for named keys setting is enough.
 *   5. The state is the server's, but 'live' is shown only when everything that was asked for has been answered, after
 *      the values, and not while the link is in doubt.
 */
import { badKey, firstBatch } from './keys.js';
import { keysMax } from './limits.js';
import { frozen, same } from './state.js';
import { Values } from './values.js';

export class Feed {
  values_ = new Values();
  answer_ = undefined; // of top, sum, rank
  answered_ = false; // there has been a snapshot
  members_ = new Set(); // the page's subscriptions
  wanted_ = new Map(); // key -> how many members name it
  refused_ = new Map(); // key -> the error
  state_ = frozen({ state: 'connecting' }); // as members see it
  told_ = this.state_; // what the server said
  doubt_ = null; // why the link may be dead
  begun_ = false; // this connection has answered the subscribe
  known_ = new Set(); // the names that this connection has sent
  asked_ = null; // the request without an answer: { begins, keys }
  catching_ = true; // something that members want has not been answered by this connection
  epoch_ = null;
  revision_ = null;
  parts_ = null; // of a snapshot: { revision, partial, keys }
  timer_ = undefined; // of the next attempt
  attempts_ = 0;

  /** `link`: send_(message), pause_(attempt) -> ms, report_(error). */
  constructor(id, question, link) {
    this.id_ = id;
    this.question_ = question;
    this.link_ = link;
    this.named_ = question.kind_ === 'keys';
  }

  // ---- members

  leave_(member) {
    this.members_.delete(member);
    if (this.named_) this.release_(member.keys_);
  }

  want_(member, keys) {
    for (const key of keys) {
      this.wanted_.set(key, (this.wanted_.get(key) ?? 0) + 1);
      const why = this.refused_.get(key);
      if (why) member.refuse_(why, [key]);
    }
    this.agree_();
  }

  release_(keys) {
    for (const key of keys) {
      const others = this.wanted_.get(key) - 1;
      this.wanted_.set(key, others);
      if (others) continue;
      this.wanted_.delete(key);
      this.refused_.delete(key);
      this.values_.forget_(key);
      for (const [other, { code }] of this.refused_) if (code === 'too_many_keys') this.refused_.delete(other);
    }
    this.agree_();
  }

  // ---- what is sent

  /** Whether nothing was asked, nor will be without a reason. */
  get isIdle_() {
    return !this.asked_ && !this.begun_ && !this.timer_;
  }

  begin_() {
    this.reset_();
    const keys = this.named_ ? this.wishes_() : undefined;
    // A resumed snapshot omits unchanged keys, so it cannot supply a key whose value this client never had. A revision
    // that is a BigInt has no JSON.
    const resumes = Number.isSafeInteger(this.revision_) && (keys ?? []).every((key) => this.values_.held_.has(key));
    this.ask_('subscribe', keys, {
      tally: this.question_.tally_, ...this.question_.wire_, ...(resumes && { since: { epoch: this.epoch_, revision: this.revision_ } }),
    });
  }

  /** Sends the names that were added and removed, once nothing waits for an answer. */
  agree_() {
    if (!this.named_ || !this.begun_ || this.asked_) return;
    let gone = [...this.known_].filter((key) => !this.wanted_.has(key));
    for (const key of gone) this.known_.delete(key);
    for (let some; gone.length; gone = gone.slice(some.length)) {
      some = firstBatch(gone);
      this.link_.send_({ type: 'untrack', id: this.id_, keys: some });
    }
    const keys = this.wishes_();
    if (keys.length) this.ask_('track', keys);
  }

  ask_(type, keys, more) {
    for (const key of keys ?? []) this.known_.add(key);
    this.asked_ = { begins: type === 'subscribe', keys: keys ?? [] };
    this.link_.send_({ type, id: this.id_, ...more, keys });
  }

  /** The names to send next; those that are no keys, or beyond the server's limit, are refused. */
  wishes_() {
    const fresh = [...this.wanted_.keys()].filter((key) => !this.known_.has(key) && !this.refused_.has(key));
    for (const key of fresh) if (badKey(key)) this.refuse_([key], { code: 'bad_key', message: badKey(key) });
    const good = fresh.filter((key) => !this.refused_.has(key));
    const beyond = good.splice(Math.max(0, keysMax - this.known_.size));
    this.refuse_(beyond, { code: 'too_many_keys', message: `a page follows at most ${keysMax} keys of a tally by name` });
    return firstBatch(good);
  }

  // ---- what is heard

  take_(message) {
    const { type, keys, reason } = message;
    if (type === 'error') this.takeError_(message);
    else if (type === 'state') this.enter_(message);
    else if (type === 'unsubscribed') {
      this.revision_ = null;
      this.again_(reason === 'dropped' ? 'the tally was dropped' : `the server ended the subscription: ${reason}`, reason);
    } else if (type === 'snapshot' && keys) this.takeSnapshot_(message);
    else if (type === 'change' && keys) this.takeChange_(message);
    else if (type === 'snapshot' || type === 'change') this.takeAnswer_(message);
  }

  takeSnapshot_({ keys, epoch, revision, partial, more, apart, ...message }) {
    if (this.parts_?.revision !== revision) this.parts_ = { revision, keys: new Map() };
    const parts = this.parts_;
    parts.partial ||= partial;
    for (const key of Object.keys(keys)) parts.keys.set(key, keys[key]);
    if (more) return;
    this.parts_ = null;

    const { asked_: asked, named_: named } = this;
    if (epoch !== this.epoch_) this.meet_(epoch);
    const covers = !parts.partial && (!named || [...this.values_.held_.keys()].every((key) => parts.keys.has(key)));
    if (asked?.begins || covers) this.revision_ = apart ? null : revision;
    if (asked?.begins || asked?.keys.every((key) => parts.keys.has(key))) this.hears_();
    const changed = this.set_(parts.keys, revision);
    if (!parts.partial && !named) this.values_.keepOnly_(parts.keys, changed, revision);
    this.tell_(changed);
    this.agree_();
    this.settle_(message);
  }

  takeChange_({ keys, revision, more, apart }) {
    const changed = this.set_(Object.entries(keys), revision);
    if (!more) this.revision_ = apart ? null : revision;
    this.tell_(changed);
  }

  takeAnswer_({ top, sum, size, rank, around, by, epoch, ...message }) {
    this.answer_ = top ?? (rank ? { rank, around, by } : { sum, size });
    this.epoch_ = epoch ?? this.epoch_;
    this.hears_();
    this.tell_(null);
    this.settle_(message);
  }

  takeError_({ code, message, key }) {
    const { begins, keys } = this.asked_ ?? {};
    if (code === 'unknown_id' || (begins && (code !== 'bad_key' || !keys.length))) this.again_(message, code);
    else if (!keys) this.link_.report_({ code, message });
    else {
      this.asked_ = null;
      for (const name of keys) this.known_.delete(name);
      this.refuse_(keys.includes(key) ? [key] : keys, { code, message });
      if (begins) this.begin_();
      else this.agree_();
      this.settle_({});
    }
  }

  /** What was asked was answered. */
  hears_() {
    this.answered_ = this.begun_ = true;
    this.attempts_ = 0;
    this.asked_ = null;
  }

  refuse_(keys, error) {
    for (const key of keys) this.refused_.set(key, error);
    for (const member of keys.length ? this.members_ : []) member.refuse_(error, keys);
  }

  /** An action's answer: the key's counters at a revision. */
  learn_(key, { counters, epoch, revision }) {
    if (this.revision_ === null || epoch !== this.epoch_ || revision <= this.revision_) return;
    if (this.question_.kind_ !== 'every' && !this.values_.held_.has(key)) return;
    const changed = this.set_([[key, counters]], revision);
    this.values_.ahead_.set(key, revision);
    this.tell_(changed);
  }

  // ---- states

  lose_(reason, retryInMs) {
    this.reset_();
    this.doubt_ = null;
    this.enter_({ state: 'disconnected', reason, retryInMs });
  }

  /** The link is being asked whether it lives; null: it does. */
  suspect_(reason) {
    this.doubt_ = reason;
    this.enter_(this.told_);
  }

  end_() {
    clearTimeout(this.timer_);
  }

  reset_() {
    this.end_();
    // Names that this connection did not answer are older than the revision that the others have.
    if (this.begun_ && this.catching_) this.revision_ = null;
    this.catching_ = true;
    this.timer_ = undefined;
    this.asked_ = this.parts_ = null;
    this.begun_ = false;
    this.known_.clear();
  }

  again_(reason, code) {
    this.reset_();
    this.timer_ = setTimeout(() => this.begin_(), this.link_.pause_(this.attempts_++));
    this.enter_({ state: 'failed', reason, code });
  }

  meet_(epoch) {
    this.revision_ = null;
    this.values_.ahead_.clear();
    if (this.epoch_ !== null) this.refused_.clear();
    this.epoch_ = epoch;
  }

  settle_(message) {
    this.catching_ &&= this.asked_ !== null;
    this.enter_(message.state ? message : this.told_);
  }

  enter_(told) {
    this.told_ = told;
    let shown = told;
    if (this.doubt_) shown = { state: 'disconnected', reason: this.doubt_ };
    else if (this.catching_ && told.state === 'live') shown = this.state_;
    if (same(shown, this.state_)) return;
    this.state_ = frozen(shown);
    for (const member of this.members_) member.enter_();
  }

  set_(entries, revision) {
    return this.values_.set_(entries, revision, (key) => !this.named_ || this.wanted_.has(key));
  }

  tell_(changed) {
    for (const member of this.members_) member.change_(changed);
  }
}
