/**
 * WebSocket: the conversation as it is. `hooks`: opened_(), proved_(), heard_(), took_(message), lost_(reason, hung).
 * With a token the conversation begins once the server has accepted it.
 */
import { blockedMs } from '../limits.js';
import { parse } from '../numbers.js';

const closeReasons = {
  1001: 'the server is shutting down',
  1009: 'the server refused a message as too long',
  1012: 'the server is restarting',
  1013: 'the server cut this connection: it could not keep up',
  4401: 'the token ended',
};

export class WebSocketTransport {
  canPing_ = true;
  timers_ = {};

  /** Throws what the constructor of the socket throws: a page that may not connect at all. */
  constructor({ socketUrl, Socket, token_: token }, hooks) {
    if (!Socket) throw new Error('this runtime has no WebSocket: pass one, connect({ WebSocket })');
    this.token_ = token;
    this.hooks_ = hooks;
    const socket = this.socket_ = new Socket(socketUrl, 'pgtally.v1');
    socket.onopen = () => this.open_();
    socket.onmessage = ({ data }) => this.take_(data);
    socket.onclose = ({ code } = {}) => {
      hooks.lost_(closeReasons[code] ?? (this.isOpen_ ? 'the connection was lost' : 'the server cannot be reached'));
    };
    socket.onerror = () => {
      this.timers_.blocked ??= setTimeout(() => hooks.lost_(`the browser blocked the connection to ${socketUrl}`), blockedMs);
    };
    // Chromium sends no close after a policy has blocked the address, and says so here.
    this.blocked_ = ({ blockedURI }) => {
      if (this.isOpen_ || !blockedURI || !socketUrl.startsWith(blockedURI)) return;
      hooks.lost_(`this page's Content-Security-Policy does not allow ${new URL(socketUrl).origin}: add it to connect-src`);
    };
    globalThis.document?.addEventListener?.('securitypolicyviolation', this.blocked_);
  }

  open_() {
    this.isOpen_ = true;
    this.hooks_.heard_();
    if (this.token_.getToken_) this.authenticate_();
    else this.begin_();
  }

  async authenticate_() {
    try {
      const token = await this.token_.get_();
      if (!this.socket_) return;
      if (token === undefined) { // the page has none: what is public needs none
        if (!this.begun_) this.begin_();
        return;
      }
      this.asked_ = true;
      this.socket_.send(JSON.stringify({ type: 'auth', token }));
      const left = this.token_.msLeft_();
      if (left < 2 ** 31) this.timers_.token = setTimeout(() => this.authenticate_(), Math.max(left, 1_000));
    } catch (error) {
      this.hooks_.lost_(`getToken failed: ${error.message}`);
    }
  }

  begin_() {
    this.begun_ = true;
    this.hooks_.proved_();
    this.hooks_.opened_();
  }

  take_(data) {
    this.hooks_.heard_();
    let message;
    try {
      message = parse(data);
    } catch {
      this.hooks_.lost_('the server sent something that is not JSON');
      return;
    }
    if (message.type === 'authenticated') {
      this.asked_ = false;
      if (!this.begun_) this.begin_();
    } else if (message.type === 'error' && message.id === undefined && this.asked_) {
      this.token_.refused_();
      this.hooks_.lost_(`the server refused the token: ${message.message}`);
    } else {
      this.hooks_.took_(message);
    }
  }

  send_(message) {
    this.socket_.send(JSON.stringify(message));
  }

  close_() {
    for (const timer of Object.values(this.timers_)) clearTimeout(timer);
    globalThis.document?.removeEventListener?.('securitypolicyviolation', this.blocked_);
    const { socket_: socket } = this;
    this.socket_ = null;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }
}
