/**
 * Says when the page may have missed something: wake_(reason, doubt). With `doubt` the page did not run or was offline,
 * so that what it shows may be old; without, it is only worth asking. hide_(soon): the page is hidden, or (soon) put
 * aside; show_() returns whether a connection was begun because the page is shown.
 *
 * Browsers tell little: a socket that died while a machine slept reports it minutes later, if at all. A timer that comes
 * late says that nothing ran.
 */
const tickMs = 4_000;
const lateMs = 3_000;

export class Wake {
  constructor(hooks) {
    this.hooks_ = hooks;
    const { document } = globalThis;
    this.listeners_ = [
      [document, 'visibilitychange', () => (document.hidden ? hooks.hide_() : this.shown_('the page was hidden'))],
      [document, 'freeze', () => hooks.hide_(true)],
      [document, 'resume', () => this.shown_('the page was frozen', true)],
      [globalThis, 'pagehide', () => hooks.hide_(true)],
      [globalThis, 'pageshow', ({ persisted }) => { if (persisted) this.shown_('the page was put aside', true); }],
      [globalThis, 'online', () => hooks.wake_('the device was offline', true)],
      [globalThis, 'offline', () => hooks.wake_('the device is offline', true)],
    ];
    for (const [target, name, run] of this.listeners_) target?.addEventListener?.(name, run);
    this.tick_();
  }

  shown_(reason, doubt) {
    if (!this.hooks_.show_()) this.hooks_.wake_(reason, doubt || this.slept_);
  }

  /** Whether the timer is late. */
  get slept_() {
    return Date.now() > this.due_ + lateMs;
  }

  tick_() {
    const { slept_: slept } = this;
    this.due_ = Date.now() + tickMs;
    this.timer_ = setTimeout(() => this.tick_(), tickMs);
    this.timer_.unref?.(); // Node: the client's sockets keep the process, not this
    if (slept) this.hooks_.wake_('the page was asleep', true);
  }

  end_() {
    clearTimeout(this.timer_);
    for (const [target, name, run] of this.listeners_) target?.removeEventListener?.(name, run);
  }
}
