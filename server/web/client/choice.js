/**
 * Which transport to use next. A transport that failed twice before it proved to work, while the server answers plain
 * requests, is given up for the next one; one that hung, at once. Later the first is tried again. A pure class: it is
 * told what happened, and when.
 */
import { limits } from './limits.js';

export class Choice {
  constructor(names) {
    Object.assign(this, { names, at: 0, strikes: 0, since: 0, reason: '' });
  }

  get name() {
    return this.names[this.at];
  }

  proved() {
    this.strikes = 0;
  }

  /** A connection begins. */
  begins(now) {
    if (this.at > 0 && now - this.since >= limits.fallbackMs) this.restart();
  }

  /** A connection ended before it proved to work. Returns whether to step down if the server answers plain requests. */
  failed(hung) {
    this.strikes += hung ? 2 : 1;
    return this.strikes >= 2 && this.at + 1 < this.names.length;
  }

  stepDown(why, now) {
    this.reason = `${this.name}: ${why}`;
    this.at += 1;
    this.strikes = 0;
    this.since = now;
  }

  restart() {
    Object.assign(this, { at: 0, strikes: 0, reason: '' });
  }
}
