/**
 * Says when the page may have missed something: `onWake({ doubt, reason })`. With `doubt` the page did not run or was
 * offline, so that what it shows may be old; without, it is only worth asking. `onHide(soon)`: the page is hidden, or
 * (soon) put aside; `onShow()` returns whether a connection was begun because the page is shown.
 *
 * Browsers tell little: a socket that died while a machine slept reports it minutes later, if at all. A timer that comes
 * late says that nothing ran.
 */
const tickMs = 4_000;
const lateMs = 3_000;

export class Wake {
  constructor({ onWake, onHide, onShow }) {
    Object.assign(this, { onWake, onHide, onShow });
    this.listeners = [
      ['document', 'visibilitychange', () => (document.hidden ? onHide(false) : this.shown('the page was hidden'))],
      ['document', 'freeze', () => onHide(true)],
      ['document', 'resume', () => this.shown('the page was frozen', true)],
      ['window', 'pagehide', () => onHide(true)],
      ['window', 'pageshow', ({ persisted }) => { if (persisted) this.shown('the page was put aside', true); }],
      ['window', 'online', () => onWake({ doubt: true, reason: 'the device was offline' })],
      ['window', 'offline', () => onWake({ doubt: true, reason: 'the device is offline' })],
    ];
    for (const [target, name, run] of this.listeners) targetOf(target)?.addEventListener?.(name, run);
    this.due = Date.now() + tickMs;
    this.timer = setTimeout(() => this.tick(), tickMs);
    this.timer.unref?.(); // Node: the client's sockets keep the process, not this
  }

  shown(reason, doubt = false) {
    if (!this.onShow()) this.onWake({ doubt: doubt || this.slept(), reason });
  }

  /** Whether the timer is late. */
  slept() {
    return Date.now() > this.due + lateMs;
  }

  tick() {
    const slept = this.slept();
    this.due = Date.now() + tickMs;
    this.timer = setTimeout(() => this.tick(), tickMs);
    this.timer.unref?.();
    if (slept) this.onWake({ doubt: true, reason: 'the page was asleep' });
  }

  end() {
    clearTimeout(this.timer);
    for (const [target, name, run] of this.listeners) targetOf(target)?.removeEventListener?.(name, run);
  }
}

const targetOf = (name) => (name === 'document' ? globalThis.document : globalThis);
