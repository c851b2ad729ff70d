/**
 * Which transport to use next. A transport that failed twice before it proved to work, while the server answers plain
 * requests, is given up for the next one; one that hung, at once. Later the first is tried again. A pure class: it is
 * told what happened, and when.
 */
import { fallbackMs } from './limits.js';

export class Choice {
  at_ = 0;
  strikes_ = 0;
  since_ = 0;
  reason_ = '';

  constructor(names) {
    this.names_ = names;
  }

  get name_() {
    return this.names_[this.at_];
  }

  proved_() {
    this.strikes_ = 0;
  }

  /** A connection begins. */
  begins_(now) {
    if (this.at_ && now - this.since_ >= fallbackMs) this.turnTo_(0, '', now);
  }

  /** A connection ended before it proved to work. Returns whether to step down if the server answers plain requests. */
  failed_(hung) {
    this.strikes_ += hung ? 2 : 1;
    return this.strikes_ >= 2 && this.at_ + 1 < this.names_.length;
  }

  stepDown_(why, now) {
    this.turnTo_(this.at_ + 1, `${this.name_}: ${why}`, now);
  }

  turnTo_(at, reason, now) {
    this.at_ = at;
    this.reason_ = reason;
    this.since_ = now;
    this.strikes_ = 0;
  }
}
