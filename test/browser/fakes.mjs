// What the client's tests play themselves: a WebSocket, the clock and chance.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach } from 'node:test';

// By default the modules themselves; PGTALLY_CLIENT is the one file that the server serves, made from them.
const made = process.env.PGTALLY_CLIENT;
export const { connect, parse, PgtallyError } = await import(made ? `data:text/javascript;base64,${readFileSync(made, 'base64')}`
  : '../../server/web/client/pgtally.js');

export const url = 'ws://server.example/v1/ws';
export const sockets = []; // every socket that was opened, in order
export const clock = { timers: new Map(), now: 0, random: 0.5 };
const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, random: Math.random, now: Date.now };

export class FakeSocket {
  closed = false;
  isOpen = false;
  sent = [];

  constructor(address, protocol) {
    Object.assign(this, { address, protocol });
    sockets.push(this);
  }

  send(text) {
    assert.ok(this.isOpen && !this.closed, 'nothing is sent on a socket that is not open');
    this.sent.push(text);
  }

  close() { this.closed = true; }
  open() { this.isOpen = true; this.onopen?.({}); }
  says(message) { this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) }); }
  dies(code = 1006) { this.closed = true; this.onclose?.({ code }); }
  taken() { return this.sent.splice(0).map((text) => JSON.parse(text)); }
}

/** Lets time pass, and runs what is due. */
export function pass(ms) {
  const end = clock.now + ms;
  for (;;) {
    const due = [...clock.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
    if (!due) break;
    clock.timers.delete(due[0]);
    clock.now = Math.max(clock.now, due[1].at);
    due[1].run();
  }
  clock.now = end;
}

/** The machine sleeps: time passes, and nothing runs. Then what is due runs. */
export function sleep(ms) {
  clock.now += ms;
  for (const [id, { at, run }] of [...clock.timers].sort(([, a], [, b]) => a.at - b.at)) {
    if (at <= clock.now && clock.timers.delete(id)) run();
  }
}

beforeEach(() => {
  sockets.length = 0;
  Object.assign(clock, { timers: new Map(), now: 0, random: 0.5 });
  let count = 0;
  globalThis.setTimeout = (run, ms) => { clock.timers.set(++count, { at: clock.now + ms, run }); return count; };
  globalThis.clearTimeout = (id) => clock.timers.delete(id);
  Math.random = () => clock.random;
  Date.now = () => clock.now;
});

afterEach(() => {
  Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
  Math.random = real.random;
  Date.now = real.now;
});

export const last = () => sockets.at(-1);

/** A client of WebSocket alone that is connected, with one subscription, and what its handlers were told. */
export function begin(request = {}, options = {}) {
  const told = { changes: [], states: [], errors: [], lists: [] };
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'], ...options });
  const subscription = client.subscribe({ tally: 'tweets', ...request }, {
    onChange: (changed, all) => {
      if (!(changed instanceof Map)) {
        told.lists.push(changed);
        return;
      }
      told.changes.push(Object.fromEntries(changed));
      assert.equal(all, subscription.values);
    },
    onState: (state) => told.states.push(state),
    onError: (error) => told.errors.push(error),
  });
  last().open();
  return { client, subscription, told, socket: last() };
}

export const snapshot = (keys, more = {}) => ({ type: 'snapshot', id: 1, epoch: 'e1', revision: 10, state: 'live', keys, ...more });
export const change = (revision, keys, more = {}) => ({ type: 'change', id: 1, revision, keys, ...more });
export const content = ({ values }) => Object.fromEntries(values);

/** Loses the connection and connects again; returns the new socket. */
export function reconnect() {
  last().dies();
  pass(10_000);
  last().open();
  return last();
}

/** Lets promises that are due settle. */
export const settle = () => new Promise((resolve) => { setImmediate(resolve); });
