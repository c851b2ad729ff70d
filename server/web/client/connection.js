/**
 * One connection to the server, kept for as long as the client is open: chosen, opened, watched, and made again.
 *
 *   - After a loss it waits a random, growing pause. A page that wakes, or comes online, ends the pause.
 *   - A silent link is asked by a ping after `idleMs`, and given up after as long again. A page that wakes asks at once,
 *     and waits 2.5 s; if it slept, it shows nothing as live until the answer has come.
 *   - A hidden page lets go of the connection after `hiddenMs`, and catches up when it is shown.
 *
 * `hooks`: onState(state), onOpen(), onMessage(message), onLose(reason, retryInMs), onDoubt(reason or null).
 */
import { Choice } from './choice.js';
import { limits } from './limits.js';
import { EventsTransport } from './transports/sse.js';
import { LongPollTransport } from './transports/longpoll.js';
import { WebSocketTransport } from './transports/websocket.js';
import { Wake } from './wake.js';

export const transports = { websocket: WebSocketTransport, sse: EventsTransport, longpoll: LongPollTransport };

export class Connection {
  state = Object.freeze({ state: 'connecting' });
  transport = null;
  reason = '';
  attempts = 0;
  timers = {};
  isHidden = false;
  pings = 0; // sent on this connection
  pongs = 0;
  awaited = 0; // the pong that ends the doubt

  constructor(settings, hooks) {
    Object.assign(this, { settings, hooks, choice: new Choice(settings.transports) });
    this.wake = new Wake({
      onWake: (why) => this.woken(why),
      onHide: (soon) => this.hide(soon),
      onShow: () => this.show(),
    });
    this.open();
  }

  open() {
    this.abandon();
    this.choice.begins(Date.now());
    this.enter({ state: 'connecting' });
    this.proved = false;
    const mine = {};
    this.mine = mine;
    const guarded = (run) => (...values) => { if (this.mine === mine) run(...values); };
    const hooks = {
      opened: guarded(() => this.opened()),
      proved: guarded(() => { this.proved = true; this.choice.proved(); }),
      heard: guarded(() => { this.heard = true; }),
      took: guarded((message) => this.take(message)),
      lost: guarded((reason, how) => this.lose(reason, how)),
    };
    try {
      this.transport = new transports[this.choice.name](this.settings, hooks);
    } catch (error) { // a policy of the page, a mixed content, a runtime without WebSocket
      this.lose(error.message, { hung: true });
      return;
    }
    if (this.transport) this.timers.idle = setTimeout(() => this.listen(), this.settings.idleMs);
  }

  opened() {
    // A server may accept connections only to drop them: reset the backoff only after the connection has lasted.
    this.timers.settled = setTimeout(() => { this.attempts = 0; }, 5_000);
    this.reason = this.choice.reason;
    this.enter({ state: 'open' });
    this.hooks.onOpen();
  }

  take(message) {
    if (message.type !== 'pong') {
      this.hooks.onMessage(message);
      return;
    }
    this.pongs += 1;
    if (this.awaited === 0 || this.pongs < this.awaited) return;
    this.awaited = 0;
    clearTimeout(this.timers.wake);
    this.hooks.onDoubt(null);
  }

  /** Sends, if the connection is open: what is not sent is asked for when it opens. */
  send(message) {
    if (this.state.state === 'open') this.transport.send(message);
  }

  ping() {
    this.pings += 1;
    this.send({ type: 'ping' });
  }

  // ---- silence, sleep, hiding

  // Checks the link once per idleMs. After one silent tick the client pings the server, after the next it reconnects.
  // (On a dead link the socket's own close event takes minutes.) A stream's comments come every 15 s.
  listen() {
    const { idleMs } = this.settings;
    const patience = this.transport.canPing ? idleMs : Math.max(idleMs, 20_000);
    this.timers.idle = setTimeout(() => this.listen(), patience);
    if (this.heard || this.state.state !== 'open') {
      this.heard = this.asked = false;
    } else if (this.asked) {
      this.lose('the server does not answer');
    } else {
      this.asked = true;
      if (this.transport.canPing) this.ping();
    }
  }

  woken({ doubt, reason }) {
    const { state } = this.state;
    if (state === 'waiting') {
      this.open();
    } else if (state === 'connecting' && doubt && this.transport) {
      this.open();
    } else if (state === 'open' && this.transport.canPing) {
      if (doubt) this.hooks.onDoubt(reason);
      this.ping();
      this.awaited = this.pings;
      clearTimeout(this.timers.wake);
      this.timers.wake = setTimeout(() => this.lose(doubt ? reason : 'the server does not answer'), limits.wakeMs);
    } else if (state === 'open' && doubt) {
      this.hooks.onLose(reason, 0);
      this.open();
    }
  }

  hide(soon) {
    this.isHidden = true;
    const { hiddenMs } = this.settings;
    clearTimeout(this.hiding);
    if (soon) this.pause();
    else if (hiddenMs < 2 ** 31) this.hiding = setTimeout(() => this.pause(), hiddenMs);
  }

  pause() {
    if (!this.isHidden || this.state.state === 'closed') return;
    this.abandon();
    this.enter({ state: 'paused', reason: 'the page is hidden' });
    this.hooks.onLose('the page is hidden');
  }

  show() {
    this.isHidden = false;
    clearTimeout(this.hiding);
    const wasPaused = this.state.state === 'paused';
    if (wasPaused) this.open();
    return wasPaused;
  }

  // ---- loss

  lose(reason, { hung = false } = {}) {
    const stepsDown = !this.proved && this.choice.failed(hung);
    this.abandon();
    this.reason = reason;
    const retryInMs = this.backoff(this.attempts++);
    this.timers.open = setTimeout(() => this.open(), retryInMs);
    this.enter({ state: 'waiting', reason, retryInMs });
    this.hooks.onLose(reason, retryInMs);
    if (!this.proved) this.explain(reason, stepsDown, this.mine);
  }

  /** Asks by a plain request whether the server is there at all: if so, the transport is what fails, or this page. */
  async explain(reason, stepsDown, mine) {
    const { fetch, base } = this.settings;
    if (this.choice.names.length === 1 || !fetch) return;
    const answers = (options) => fetch(new URL('../livez', base).href, options).then(() => true, () => false);
    const isThere = await answers();
    const isElsewhere = globalThis.location && globalThis.location.origin !== new URL(base).origin;
    const refuses = !isThere && isElsewhere && await answers({ mode: 'no-cors' });
    if (this.mine !== mine || this.state.state !== 'waiting') return;
    if (isThere && stepsDown) {
      this.choice.stepDown(reason, Date.now());
      this.open();
    } else if (refuses) {
      const { retryInMs } = this.state;
      this.reason = `the server does not allow pages of ${globalThis.location.origin}: see its option --allow-origin`;
      this.state = Object.freeze({ state: 'waiting', reason: this.reason, retryInMs });
      this.hooks.onState(this.state);
      this.hooks.onLose(this.reason, retryInMs);
    }
  }

  abandon() {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.timers = {};
    this.heard = this.asked = false;
    this.pings = this.pongs = this.awaited = 0;
    const { transport } = this;
    this.transport = this.mine = null;
    transport?.close();
  }

  close() {
    this.abandon();
    clearTimeout(this.hiding);
    this.wake.end();
    this.enter({ state: 'closed' });
  }

  backoff(attempt) {
    const { min, max } = this.settings.backoffMs;
    const ceiling = Math.min(max, min * 2 ** (attempt + 1));
    return Math.round(min + Math.random() * (ceiling - min));
  }

  enter(state) {
    if (state.state === this.state.state) return;
    this.state = Object.freeze(state);
    this.hooks.onState(this.state);
  }
}
