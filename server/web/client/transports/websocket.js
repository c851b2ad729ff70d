/**
 * WebSocket: the conversation as it is. `hooks`: opened(), proved(), heard(), took(message), lost(reason, { hung }).
 * With a token the conversation begins once the server has accepted it.
 */
import { limits } from '../limits.js';
import { parse, textOf } from '../numbers.js';

const closeReasons = {
  1001: 'the server is shutting down',
  1009: 'the server refused a message as too long',
  1012: 'the server is restarting',
  1013: 'the server cut this connection: it could not keep up',
  4401: 'the token ended',
};

export class WebSocketTransport {
  canPing = true;

  /** Throws what the constructor of the socket throws: a page that may not connect at all. */
  constructor({ socketUrl, Socket, token }, hooks) {
    if (!Socket) throw new Error('this runtime has no WebSocket: pass one, connect({ WebSocket })');
    Object.assign(this, { token, hooks, isOpen: false, asked: false, timers: {} });
    this.socket = new Socket(socketUrl, 'pgtally.v1');
    this.socket.onopen = () => this.open();
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = ({ code } = {}) => {
      const unknown = this.isOpen ? 'the connection was lost' : 'the server cannot be reached';
      hooks.lost(closeReasons[code] ?? unknown);
    };
    this.socket.onerror = () => {
      this.timers.blocked ??= setTimeout(() => hooks.lost(`the browser blocked the connection to ${socketUrl}`), limits.blockedMs);
    };
    // Chromium sends no close after a policy has blocked the address, and says so here.
    this.blocked = ({ blockedURI }) => {
      if (this.isOpen || !blockedURI || !socketUrl.startsWith(blockedURI)) return;
      hooks.lost(`this page's Content-Security-Policy does not allow ${new URL(socketUrl).origin}: add it to connect-src`);
    };
    globalThis.document?.addEventListener?.('securitypolicyviolation', this.blocked);
    this.timers.open = setTimeout(() => hooks.lost('the server does not answer', { hung: true }), limits.openMs);
  }

  async open() {
    this.isOpen = true;
    this.hooks.heard();
    if (!this.token.getToken) return this.begin();
    return this.authenticate();
  }

  async authenticate() {
    try {
      const token = await this.token.get();
      if (!this.socket) return;
      this.asked = true;
      this.socket.send(JSON.stringify({ type: 'auth', token }));
      const left = this.token.msLeft();
      if (left < 2 ** 31) this.timers.token = setTimeout(() => this.authenticate(), Math.max(left, 1_000));
    } catch (error) {
      if (this.socket) this.hooks.lost(`getToken failed: ${error.message}`);
    }
  }

  begin() {
    clearTimeout(this.timers.open);
    this.begun = true;
    this.hooks.proved();
    this.hooks.opened();
  }

  take(data) {
    this.hooks.heard();
    let message;
    try {
      message = parse(data);
    } catch {
      this.hooks.lost('the server sent something that is not JSON');
      return;
    }
    if (message.type === 'authenticated') {
      this.asked = false;
      if (!this.begun) this.begin();
    } else if (message.type === 'error' && message.id === undefined && this.asked) {
      this.token.refused();
      this.hooks.lost(`the server refused the token: ${message.message}`);
    } else {
      this.hooks.took(message);
    }
  }

  send(message) {
    if (this.begun) this.socket.send(textOf(message));
  }

  close() {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    globalThis.document?.removeEventListener?.('securitypolicyviolation', this.blocked);
    const { socket } = this;
    this.socket = null;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }
}
