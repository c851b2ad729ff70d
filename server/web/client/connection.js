/**
 * One connection to the server, kept for as long as the client is open: chosen, opened, watched, and made again.
 *
 *   - After a loss it waits a random, growing pause. A page that wakes, or comes online, ends the pause.
 *   - A silent link is asked by a ping after `idleMs`, and given up after as long again. A page that wakes asks at once,
 *     and waits 2.5 s; if it slept, it shows nothing as live until the answer has come. (On a dead link the socket's own
 *     close event takes minutes.) A transport that cannot be asked watches its requests itself.
 *   - A hidden page lets go of the connection after `hiddenMs`, and catches up when it is shown.
 *
 * `hooks`: state_(state), open_(), message_(message), lose_(reason, retryInMs), doubt_(reason or null).
 */
import { Choice } from './choice.js';
import { openMs, wakeMs } from './limits.js';
import { EventsTransport } from './transports/sse.js';
import { LongPollTransport } from './transports/longpoll.js';
import { WebSocketTransport } from './transports/websocket.js';
import { Wake } from './wake.js';

export const transports = { websocket: WebSocketTransport, sse: EventsTransport, longpoll: LongPollTransport };

export class Connection {
  state_ = Object.freeze({ state: 'connecting' });
  transport_ = null;
  reason_ = '';
  attempts_ = 0;
  timers_ = {};
  isHidden_ = false;
  pings_ = 0; // without an answer

  constructor(settings, hooks) {
    this.settings_ = settings;
    this.hooks_ = hooks;
    this.choice_ = new Choice(settings.names_);
    this.wake_ = new Wake({
      wake_: (reason, doubt) => this.woken_(reason, doubt),
      hide_: (soon) => this.hide_(soon),
      show_: () => this.show_(),
    });
    this.open_();
  }

  open_() {
    this.abandon_();
    this.choice_.begins_(Date.now());
    this.enter_({ state: 'connecting' });
    this.proved_ = false;
    const mine = this.mine_ = {};
    const guarded = (run) => (...values) => { if (this.mine_ === mine) run(...values); };
    this.timers_.open = setTimeout(() => this.lose_('the server does not answer', true), openMs);
    try {
      this.transport_ = new transports[this.choice_.name_](this.settings_, {
        opened_: guarded(() => this.opened_()),
        proved_: guarded(() => { this.proved_ = true; this.choice_.proved_(); }),
        heard_: guarded(() => { this.heard_ = true; }),
        took_: guarded((message) => this.take_(message)),
        lost_: guarded((reason, hung) => this.lose_(reason, hung)),
      });
      if (this.transport_.canPing_) this.timers_.idle = setTimeout(() => this.listen_(), this.settings_.idleMs);
    } catch (error) { // a policy of the page, a mixed content, a runtime without WebSocket
      this.lose_(error.message, true);
    }
  }

  opened_() {
    clearTimeout(this.timers_.open);
    // A server may accept connections only to drop them: reset the backoff only after the connection has lasted.
    this.timers_.settled = setTimeout(() => { this.attempts_ = 0; }, 5_000);
    this.reason_ = this.choice_.reason_;
    this.enter_({ state: 'open' });
    this.hooks_.open_();
  }

  take_(message) {
    if (message.type !== 'pong') {
      this.hooks_.message_(message);
    } else if (--this.pings_ <= 0) { // a pong to an earlier ping proves nothing
      clearTimeout(this.timers_.wake);
      this.hooks_.doubt_(null);
    }
  }

  get isOpen_() {
    return this.state_.state === 'open';
  }

  /** Sends, if the connection is open: what is not sent is asked for when it opens. */
  send_(message) {
    if (this.isOpen_) this.transport_.send_(message);
  }

  ping_() {
    this.pings_ += 1;
    this.send_({ type: 'ping' });
  }

  // ---- silence, sleep, hiding

  listen_() {
    this.timers_.idle = setTimeout(() => this.listen_(), this.settings_.idleMs);
    if (this.heard_ || !this.isOpen_) {
      this.heard_ = this.asked_ = false;
    } else if (this.asked_) {
      this.lose_('the server does not answer');
    } else {
      this.asked_ = true;
      this.ping_();
    }
  }

  woken_(reason, doubt) {
    const { transport_: transport, state_: { state } } = this;
    if (state === 'waiting' || (state === 'connecting' && doubt && transport)) {
      this.open_();
    } else if (state === 'open' && transport.canPing_) {
      if (doubt) this.hooks_.doubt_(reason);
      this.ping_();
      clearTimeout(this.timers_.wake);
      this.timers_.wake = setTimeout(() => this.lose_(doubt ? reason : 'the server does not answer'), wakeMs);
    } else if (state === 'open' && doubt) {
      this.hooks_.lose_(reason, 0);
      this.open_();
    }
  }

  hide_(soon) {
    this.isHidden_ = true;
    const { hiddenMs } = this.settings_;
    clearTimeout(this.hiding_);
    if (soon) this.pause_();
    else if (hiddenMs < 2 ** 31) this.hiding_ = setTimeout(() => this.pause_(), hiddenMs);
  }

  pause_() {
    if (!this.isHidden_ || this.state_.state === 'closed') return;
    const reason = 'the page is hidden';
    this.abandon_();
    this.enter_({ state: 'paused', reason });
    this.hooks_.lose_(reason);
  }

  show_() {
    this.isHidden_ = false;
    clearTimeout(this.hiding_);
    const wasPaused = this.state_.state === 'paused';
    if (wasPaused) this.open_();
    return wasPaused;
  }

  // ---- loss

  lose_(reason, hung) {
    const { proved_: proved } = this;
    const stepsDown = !proved && this.choice_.failed_(hung);
    this.abandon_();
    const retryInMs = this.backoff_(this.attempts_++);
    this.timers_.open = setTimeout(() => this.open_(), retryInMs);
    this.waits_(reason, retryInMs);
    if (!proved) this.explain_(reason, stepsDown, retryInMs);
  }

  waits_(reason, retryInMs) {
    this.reason_ = reason;
    this.enter_({ state: 'waiting', reason, retryInMs });
    this.hooks_.lose_(reason, retryInMs);
  }

  /** Asks by a plain request whether the server is there at all: if so, the transport is what fails, or this page. */
  async explain_(reason, stepsDown, retryInMs) {
    const { fetch, base } = this.settings_;
    const { state_: now } = this;
    if (this.choice_.names_.length === 1 || !fetch) return;
    const answers = (mode) => fetch(new URL('../livez', base).href, { mode }).then(() => true, () => false);
    const { origin } = globalThis.location ?? {};
    const isThere = await answers();
    const refuses = !isThere && origin && !base.startsWith(`${origin}/`) && await answers('no-cors');
    if (this.state_ !== now) return;
    if (isThere && stepsDown) {
      this.choice_.stepDown_(reason, Date.now());
      this.open_();
    } else if (refuses) {
      this.waits_(`the server does not allow pages of ${origin}: see its option --allow-origin`, retryInMs);
    }
  }

  abandon_() {
    for (const timer of Object.values(this.timers_)) clearTimeout(timer);
    this.timers_ = {};
    this.heard_ = this.asked_ = false;
    this.pings_ = 0;
    const { transport_: transport } = this;
    this.transport_ = this.mine_ = null;
    transport?.close_();
  }

  close_() {
    this.abandon_();
    clearTimeout(this.hiding_);
    this.wake_.end_();
    this.enter_({ state: 'closed' });
  }

  backoff_(attempt) {
    const { min, max } = this.settings_.backoffMs;
    const ceiling = Math.min(max, min * 2 ** (attempt + 1));
    return Math.round(min + Math.random() * (ceiling - min));
  }

  enter_(state) {
    if (state.state === this.state_.state && state.reason === this.state_.reason) return;
    this.state_ = Object.freeze(state);
    this.hooks_.state_(this.state_);
  }
}
