// What ends a connection, and what wakes a page: the client believes more than onclose and a timer.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FakeSocket, begin, clock, connect, content, last, pass, settle, sleep, snapshot, sockets, url } from './fakes.mjs';

/** A window or a document: listeners by name. */
class Target {
  listeners = new Map();
  hidden = false;
  addEventListener(name, run) { this.listeners.set(name, run); }
  removeEventListener(name, run) { if (this.listeners.get(name) === run) this.listeners.delete(name); }
  fires(name, event = {}) { this.listeners.get(name)(event); }
}

let page;
let browser;

beforeEach(() => {
  page = new Target();
  browser = new Target();
  globalThis.document = page;
  globalThis.addEventListener = (...values) => browser.addEventListener(...values);
  globalThis.removeEventListener = (...values) => browser.removeEventListener(...values);
});

afterEach(() => {
  delete globalThis.document;
  delete globalThis.addEventListener;
  delete globalThis.removeEventListener;
});

function live(options) {
  const made = begin({}, options);
  made.socket.says(snapshot({ 1: { n: 1 } }));
  made.socket.taken();
  return made;
}

test('after a sleep nothing is live until the server has answered', () => {
  const { subscription, told, socket } = live();
  sleep(60_000);
  assert.deepEqual(told.states.at(-1), { state: 'disconnected', reason: 'the page was asleep' });
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
  const pings = socket.taken().filter(({ type }) => type === 'ping').length;
  assert.ok(pings >= 1);
  for (let pong = 0; pong < pings; ++pong) {
    assert.equal(subscription.state.state, 'disconnected', 'a pong to an earlier ping proves nothing');
    socket.says({ type: 'pong' });
  }
  assert.equal(subscription.state.state, 'live');
  assert.equal(sockets.length, 1);
});

test('after a sleep with a dead link a new connection is made within 3 s', () => {
  const { told } = live();
  sleep(60_000);
  pass(2_500);
  assert.equal(sockets[0].closed, true);
  assert.equal(told.states.at(-1).reason, 'the page was asleep');
  pass(200);
  assert.equal(sockets.length, 2);
});

for (const [name, where, event] of [['resume', 'page'], ['pageshow', 'browser', { persisted: true }], ['online', 'browser'], ['offline', 'browser']]) {
  test(`${name}: the link is asked at once, and what is shown is in doubt`, () => {
    const { subscription, socket } = live();
    (where === 'page' ? page : browser).fires(name, event);
    assert.equal(subscription.state.state, 'disconnected');
    assert.deepEqual(socket.taken(), [{ type: 'ping' }]);
    socket.says({ type: 'pong' });
    assert.equal(subscription.state.state, 'live');
    pass(2_600);
    assert.equal(socket.closed, false);
  });
}

test('offline without an answer is a loss that says so, and online connects at once', () => {
  const { client, told } = live();
  browser.fires('offline');
  pass(2_500);
  assert.equal(told.states.at(-1).reason, 'the device is offline');
  assert.equal(client.reason, 'the device is offline');
  last().dies();
  const count = sockets.length;
  browser.fires('online');
  assert.equal(sockets.length, count + 1);
});

test('a page that is shown again asks, without doubt if it ran meanwhile', () => {
  const { subscription, socket } = live();
  page.fires('visibilitychange');
  assert.equal(subscription.state.state, 'live');
  assert.deepEqual(socket.taken(), [{ type: 'ping' }]);
  pass(2_500);
  assert.equal(subscription.state.reason, 'the server does not answer');
});

test('a hidden page lets go after a while, and catches up when it is shown', () => {
  const { client, subscription, socket } = live();
  page.hidden = true;
  page.fires('visibilitychange');
  for (let second = 0; second < 29; ++second) { socket.says({ type: 'pong' }); pass(1_000); }
  assert.equal(socket.closed, false);
  pass(1_000);
  assert.equal(socket.closed, true);
  assert.equal(client.state.state, 'paused');
  assert.deepEqual({ ...subscription.state }, { state: 'disconnected', reason: 'the page is hidden' });
  pass(600_000);
  assert.equal(sockets.length, 1);
  page.hidden = false;
  page.fires('visibilitychange');
  assert.equal(sockets.length, 2);
  last().open();
  assert.deepEqual(last().taken()[0].since, { epoch: 'e1', revision: 10 });
  last().says(snapshot({ 1: { n: 9 } }, { partial: true, revision: 30 }));
  assert.deepEqual(content(subscription), { 1: { n: 9 } });
  assert.equal(subscription.state.state, 'live');
});

test('a page that is hidden for a moment keeps its connection, and so does one that asks for it', () => {
  const { socket } = live({ hiddenMs: Infinity });
  page.hidden = true;
  page.fires('visibilitychange');
  for (let second = 0; second < 100; ++second) { socket.says({ type: 'pong' }); pass(1_000); }
  assert.equal(socket.closed, false);
});

test('a page that is put aside closes its socket, so that the browser can keep the page', () => {
  const { client, socket } = live();
  browser.fires('pagehide');
  assert.equal(socket.closed, true);
  assert.equal(client.state.state, 'paused');
  browser.fires('pageshow', { persisted: true });
  assert.equal(sockets.length, 2);
});

test('close takes every listener away', () => {
  const { client } = live();
  client.close();
  assert.deepEqual([page.listeners.size, browser.listeners.size, clock.timers.size], [0, 0, 0]);
});

// ---- connecting

test('a constructor that throws is a reason, and is tried again', () => {
  let fails = true;
  class Moody extends FakeSocket {
    constructor(...values) {
      if (fails) throw new Error('mixed content');
      super(...values);
    }
  }
  const client = connect({ url, WebSocket: Moody, transports: ['websocket'] });
  assert.deepEqual([client.state.state, client.state.reason, client.reason], ['waiting', 'mixed content', 'mixed content']);
  pass(200);
  assert.equal(client.state.state, 'waiting');
  fails = false;
  pass(1_000);
  last().open();
  assert.equal(client.state.state, 'open');
});

test('a second construction that throws does not stop the client', () => {
  let count = 0;
  class Once extends FakeSocket {
    constructor(...values) {
      if (++count === 2) throw new Error('not now');
      super(...values);
    }
  }
  const { socket, client } = begin({}, { WebSocket: Once });
  socket.dies();
  pass(200);
  assert.equal(client.state.reason, 'not now');
  pass(1_000);
  assert.equal(count, 3);
});

test('a socket that is blocked says only error: it is believed at once', () => {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
  last().onerror({});
  pass(300);
  assert.match(client.state.reason, /blocked/);
});

test('a policy that blocks the address is the reason', () => {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
  page.fires('securitypolicyviolation', { blockedURI: 'ws://server.example' });
  assert.match(client.state.reason, /Content-Security-Policy does not allow ws:\/\/server.example: add it to connect-src/);
});

test('an error that a close follows is an ordinary loss', () => {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
  last().onerror({});
  last().dies();
  assert.equal(client.state.reason, 'the server cannot be reached');
});

// ---- the choice of a transport

test('WebSocket is given up after two failures while the server answers requests', async () => {
  const asked = [];
  const fetch = async (address) => {
    asked.push(address);
    return new Response('{}', { status: 200 });
  };
  const client = connect({ url, WebSocket: FakeSocket, fetch });
  last().dies();
  await settle();
  assert.equal(client.state.state, 'waiting', 'once may be chance');
  pass(200);
  last().dies();
  await settle();
  await settle();
  assert.deepEqual(asked, ['http://server.example/livez', 'http://server.example/livez', 'http://server.example/v1/tallies']);
  assert.deepEqual([client.state.state, client.transport, client.reason], ['open', 'sse', 'websocket: the server cannot be reached']);
  client.close();
});

test('a server that is away is no reason to give WebSocket up', async () => {
  const client = connect({ url, WebSocket: FakeSocket, fetch: async () => { throw new TypeError('fetch failed'); } });
  for (let round = 0; round < 5; ++round) {
    last().dies();
    await settle();
    pass(10_000);
  }
  last().open();
  assert.deepEqual([client.transport, client.reason], ['websocket', '']);
});
