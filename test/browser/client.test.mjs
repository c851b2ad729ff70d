// The browser client against a WebSocket and a clock that these tests play themselves: each rule of its modules is
// provoked here. Nothing waits, nothing is left to chance: node --test test/browser/client.test.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeSocket, begin, change, clock, connect, content, last, parse, pass, reconnect, snapshot, sockets, url } from './fakes.mjs';

// ---- the beginning

test('subscribes once the socket is open, by the protocol, with the documented fields', () => {
  const client = connect({ url: 'https://server.example/v1/ws', WebSocket: FakeSocket, transports: ['websocket'] });
  client.subscribe({ tally: 'tweets', keys: [33, '34', 33], intervalMs: 250 });
  assert.equal(last().address, url.replace('ws:', 'wss:'));
  assert.equal(last().protocol, 'pgtally.v1');
  last().open();
  assert.deepEqual(last().taken(), [{ type: 'subscribe', id: 1, tally: 'tweets', keys: ['33', '34'], interval_ms: 250 }]);
  client.subscribe({ tally: 'others' });
  assert.deepEqual(last().taken(), [{ type: 'subscribe', id: 2, tally: 'others' }]);
});

test('refuses at once what cannot work', () => {
  assert.throws(() => connect({ url, WebSocket: null, transports: ['websocket'] }), /no WebSocket/);
  assert.throws(() => connect({ url: 'ftp://server', WebSocket: FakeSocket, transports: ['websocket'] }), /no server to connect to/);
  assert.throws(() => begin().subscription.track(['1']), /every key already/);
  const { client } = begin();
  client.close();
  assert.throws(() => client.subscribe({ tally: 'x' }), /closed/);
});

// ---- values

test('a snapshot gives the values, a change sets some of them', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 1: { rts: 1, favs: 2 }, 2: { rts: 0, favs: 5 } }));
  socket.says(change(11, { 2: { rts: 0, favs: 4 }, 3: { rts: 1, favs: 0 } }));
  assert.deepEqual(content(subscription), { 1: { rts: 1, favs: 2 }, 2: { rts: 0, favs: 4 }, 3: { rts: 1, favs: 0 } });
  assert.deepEqual(told.changes[1], { 2: { rts: 0, favs: 4 }, 3: { rts: 1, favs: 0 } });
});

test('a later snapshot replaces everything, and what vanished is reported as zeros', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 2 }, 3: { n: 0 } }));
  socket.says(snapshot({ 2: { n: 2 }, 4: { n: 4 } }, { epoch: 'e2', revision: 1 }));
  assert.deepEqual(content(subscription), { 2: { n: 2 }, 4: { n: 4 } });
  assert.deepEqual(told.changes[1], { 1: { n: 0 }, 4: { n: 4 } });
});

test('only what differs is reported', () => {
  const { told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.says(change(11, { 1: { n: 1 } }));
  socket.says(snapshot({ 1: { n: 1 } }));
  assert.equal(told.changes.length, 1);
});

test('parts are collected aside and show at once', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 9: { n: 9 } }));
  socket.says(snapshot({ 1: { n: 1 } }, { revision: 20, more: true }));
  socket.says(snapshot({ 2: { n: 2 } }, { revision: 20, more: true }));
  assert.deepEqual(content(subscription), { 9: { n: 9 } });
  socket.says(snapshot({ 3: { n: 3 } }, { revision: 20 }));
  assert.deepEqual(content(subscription), { 1: { n: 1 }, 2: { n: 2 }, 3: { n: 3 } });
  assert.equal(told.changes.length, 2);
});

test('parts of a snapshot that another one overtakes are forgotten', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }, { revision: 20, more: true }));
  socket.says(snapshot({ 2: { n: 2 } }, { revision: 21 }));
  assert.deepEqual(content(subscription), { 2: { n: 2 } });
});

test('parts of a connection that was lost are forgotten', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }, { more: true }));
  const next = reconnect();
  next.says(snapshot({ 2: { n: 2 } }));
  assert.deepEqual(content(subscription), { 2: { n: 2 } });
});

test('top: the list is replaced whole', () => {
  const { subscription, told, socket } = begin({ top: { by: 'favs', limit: 2 } });
  assert.deepEqual(socket.taken(), [{ type: 'subscribe', id: 1, tally: 'tweets', top: { by: 'favs', limit: 2 } }]);
  const list = [{ key: '1', counters: { favs: 3 } }];
  socket.says({ type: 'snapshot', id: 1, epoch: 'e1', revision: 1, state: 'live', top: [] });
  socket.says({ type: 'change', id: 1, revision: 2, top: list });
  assert.deepEqual(told.lists, [[], list]);
  assert.deepEqual(subscription.value, list);
  assert.equal('since' in reconnect().taken()[0], false);
});

// ---- 64 bits

test('integers beyond 2^53 keep their digits', () => {
  const { subscription, told, socket } = begin();
  socket.says('{"type":"snapshot","id":1,"epoch":"e","revision":1,"state":"live","keys":'
    + '{"1":{"n":9007199254740993},"2":{"n":-9223372036854775808},"3":{"n":9007199254740991}}}');
  assert.deepEqual(content(subscription),
    { 1: { n: 9007199254740993n }, 2: { n: -9223372036854775808n }, 3: { n: 9007199254740991 } });
  socket.says('{"type":"change","id":1,"revision":2,"keys":{"1":{"n":9007199254740994}}}');
  assert.deepEqual(told.changes[1], { 1: { n: 9007199254740994n } });
});

test('a revision beyond 2^53, which JSON.stringify refuses, is not asked for: everything is', () => {
  const { socket } = begin();
  socket.says('{"type":"snapshot","id":1,"epoch":"e","revision":9007199254740993,"state":"live","keys":{}}');
  assert.deepEqual(reconnect().taken(), [{ type: 'subscribe', id: 1, tally: 'tweets' }]);
});

test('parse: no text can be mistaken for a mark', () => {
  const text = String.raw`{"n1234567890123456":"n1234567890123456","s":["s","",1.5e300,-0.25,1e3,"\"9007199254740993\\"],
    "9007199254740993" : {"__proto__":9007199254740993},"x":[true,null,9007199254740992,9007199254740993.5]}`;
  const found = parse(text);
  assert.deepEqual(found.s, ['s', '', 1.5e300, -0.25, 1000, '"9007199254740993\\']);
  assert.equal(found.n1234567890123456, 'n1234567890123456');
  assert.equal(Object.getOwnPropertyDescriptor(found['9007199254740993'], '__proto__').value, 9007199254740993n);
  assert.deepEqual(found.x, [true, null, 9007199254740992n, 9007199254740993.5]);
  assert.deepEqual(parse(text), found);
  assert.throws(() => parse('{"a":12345678901234567 8}'), SyntaxError);
});

// ---- named keys, track and untrack

test('the snapshot after track adds its keys and leaves the others', () => {
  const { subscription, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.taken();
  subscription.track([2, '1']);
  assert.deepEqual(socket.taken(), [{ type: 'track', id: 1, keys: ['2'] }]);
  socket.says(snapshot({ 2: { n: 2 } }, { revision: 15 }));
  assert.deepEqual(content(subscription), { 1: { n: 1 }, 2: { n: 2 } });
});

test('untrack forgets the key, and what was on its way is ignored', () => {
  const { subscription, told, socket } = begin({ keys: ['1', '2'] });
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 2 } }));
  socket.taken();
  subscription.untrack(['2']);
  assert.deepEqual(socket.taken(), [{ type: 'untrack', id: 1, keys: ['2'] }]);
  socket.says(change(11, { 2: { n: 3 } }));
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
  assert.equal(told.changes.length, 1);
});

test('keys tracked before the first snapshot are sent to the server after it', () => {
  const { subscription, socket } = begin({ keys: ['1', '2'] });
  socket.taken();
  subscription.track(['3']);
  subscription.untrack(['1']);
  assert.deepEqual(socket.taken(), []);
  socket.says({ type: 'state', id: 1, state: 'loading' });
  assert.deepEqual(socket.taken(), []);
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 2 } }));
  assert.deepEqual(socket.taken(), [{ type: 'untrack', id: 1, keys: ['1'] }, { type: 'track', id: 1, keys: ['3'] }]);
  assert.deepEqual(content(subscription), { 2: { n: 2 } });
});

test('a key that the server refuses to track is dropped, the subscription continues', () => {
  const { subscription, told, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  subscription.track(['abc']);
  subscription.track(['2']);
  socket.says({ type: 'error', id: 1, code: 'bad_key', message: 'abc is no bigint' });
  socket.says(snapshot({ 2: { n: 2 } }));
  assert.deepEqual(told.errors, [{ code: 'bad_key', message: 'abc is no bigint', keys: ['abc'] }]);
  assert.equal(subscription.state.state, 'live');
  subscription.track(['07']);
  socket.says({ type: 'error', id: 1, code: 'bad_key', message: '07 is no bigint' });
  assert.deepEqual(told.errors[1].keys, ['07']);
  assert.deepEqual(reconnect().taken()[0].keys, ['1', '2']);
});

test('more names than fit into a message are sent in several, one after another', () => {
  const names = Array.from({ length: 3_000 }, (_, at) => `${at}:`.padEnd(100, 'x'));
  const { socket, subscription } = begin({ keys: names });
  const sent = [];
  for (let messages = socket.taken(); messages.length; messages = socket.taken()) {
    assert.equal(messages.length, 1);
    assert.ok(JSON.stringify(messages[0]).length < 2 ** 20);
    assert.equal(subscription.state.state, 'connecting', 'live only when everything was answered');
    sent.push(...messages);
    socket.says(snapshot(Object.fromEntries(messages[0].keys.map((key) => [key, { n: 0 }]))));
  }
  assert.equal(subscription.state.state, 'live');
  assert.deepEqual(sent.flatMap(({ keys }) => keys).join(), names.join());
  assert.deepEqual(sent.map(({ type }) => type), ['subscribe', 'track']);
});

// ---- resuming

test('resumes after the revision of the newest change, and merges the partial snapshot', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 2 } }));
  socket.says(change(12, { 1: { n: 5 } }));
  const next = reconnect();
  assert.deepEqual(next.taken(), [{ type: 'subscribe', id: 1, tally: 'tweets', since: { epoch: 'e1', revision: 12 } }]);
  next.says(snapshot({ 2: { n: 0 } }, { revision: 14, partial: true }));
  assert.deepEqual(content(subscription), { 1: { n: 5 }, 2: { n: 0 } });
  assert.deepEqual(told.changes.at(-1), { 2: { n: 0 } });
  assert.deepEqual(reconnect().taken()[0].since, { epoch: 'e1', revision: 14 });
});

test('a full snapshot in answer to since replaces', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  const next = reconnect();
  next.says(snapshot({ 2: { n: 2 } }, { epoch: 'e2', revision: 3 }));
  assert.deepEqual(content(subscription), { 2: { n: 2 } });
  assert.deepEqual(reconnect().taken()[0].since, { epoch: 'e2', revision: 3 });
});

test('partial parts merge as well', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 2 } }));
  const next = reconnect();
  next.says(snapshot({ 2: { n: 3 } }, { revision: 20, partial: true, more: true }));
  next.says(snapshot({ 3: { n: 4 } }, { revision: 20, partial: true }));
  assert.deepEqual(content(subscription), { 1: { n: 1 }, 2: { n: 3 }, 3: { n: 4 } });
});

test('the revision of a part that is not the last is not used', () => {
  const { socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }, { revision: 20, more: true }));
  assert.equal('since' in reconnect().taken()[0], false);
});

test('the revision of the answer to track is not used: it may overtake changes of other keys', () => {
  const { subscription, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  subscription.track(['2']);
  socket.says(snapshot({ 2: { n: 2 } }, { revision: 15 }));
  assert.deepEqual(reconnect().taken()[0].since, { epoch: 'e1', revision: 10 });
});

test('an answer to track of another epoch forbids to resume', () => {
  const { subscription, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  subscription.track(['2']);
  socket.says(snapshot({ 2: { n: 2 } }, { epoch: 'e2', revision: 15 }));
  assert.equal('since' in reconnect().taken()[0], false);
});

test('a key whose value never came forbids to resume: a resumed snapshot would leave it out', () => {
  const { subscription, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  subscription.track(['2']);
  const [message] = reconnect().taken();
  assert.deepEqual(message.keys, ['1', '2']);
  assert.equal('since' in message, false);
});

// ---- states

test('states are passed on, once each, with their reason', () => {
  const { told, socket } = begin();
  socket.says({ type: 'state', id: 1, state: 'loading' });
  socket.says(snapshot({}));
  socket.says({ type: 'state', id: 1, state: 'stale', reason: 'PostgreSQL is away' });
  socket.says({ type: 'state', id: 1, state: 'stale', reason: 'PostgreSQL is away' });
  socket.says({ type: 'state', id: 1, state: 'live' });
  assert.deepEqual(told.states, [
    { state: 'loading' }, { state: 'live' }, { state: 'stale', reason: 'PostgreSQL is away' }, { state: 'live' }]);
});

test('a snapshot says the state of the tally, and values are there before the state says live', () => {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
  const seen = [];
  const subscription = client.subscribe({ tally: 'tweets' }, {
    onState: ({ state }) => seen.push([state, subscription.values.size]),
  });
  last().open();
  last().says(snapshot({ 1: { n: 1 } }, { state: 'stale', reason: 'r' }));
  assert.deepEqual(seen, [['stale', 1]]);
  assert.deepEqual(subscription.state, { state: 'stale', reason: 'r' });
});

test('a lost connection is a state, old values stay, and the next snapshot ends it', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.dies(1001);
  assert.deepEqual(told.states.at(-1), { state: 'disconnected', reason: 'the server is shutting down', retryInMs: 150 });
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
  pass(150);
  last().open();
  last().says(snapshot({}, { partial: true }));
  assert.deepEqual(told.states.at(-1), { state: 'live' });
});

test('a tally that is dropped is asked for again, from the beginning', () => {
  const { told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.taken();
  socket.says({ type: 'unsubscribed', id: 1, reason: 'dropped' });
  assert.deepEqual(told.states.at(-1), { state: 'failed', reason: 'the tally was dropped', code: 'dropped' });
  pass(200);
  assert.deepEqual(socket.taken(), [{ type: 'subscribe', id: 1, tally: 'tweets' }]);
  socket.says(snapshot({ 2: { n: 2 } }, { epoch: 'e2' }));
  assert.deepEqual(told.changes.at(-1), { 1: { n: 0 }, 2: { n: 2 } });
});

test('a tally that is unknown is asked for again, ever less often', () => {
  const { told, socket } = begin();
  socket.taken();
  const waits = [];
  for (let round = 0; round < 12; ++round) {
    socket.says({ type: 'error', id: 1, code: 'unknown_tally', message: 'no such tally' });
    const from = clock.now;
    while (!socket.taken().some(({ type }) => type === 'subscribe')) {
      socket.says({ type: 'pong' });
      pass(50);
    }
    waits.push(clock.now - from);
  }
  assert.deepEqual(told.states.at(-1), { state: 'failed', reason: 'no such tally', code: 'unknown_tally' });
  assert.ok(waits[0] <= 200 && waits.at(-1) >= 5_000 && waits.at(-1) <= 10_050, waits.join());
});

test('a tally that came is waited for briefly again when it goes', () => {
  const { socket } = begin();
  for (let round = 0; round < 10; ++round) {
    socket.says({ type: 'error', id: 1, code: 'unknown_tally', message: 'm' });
    for (let second = 0; second < 10; ++second) { socket.says({ type: 'pong' }); pass(1_000); }
  }
  socket.says(snapshot({}));
  socket.says({ type: 'unsubscribed', id: 1, reason: 'dropped' });
  socket.taken();
  pass(200);
  assert.equal(socket.taken().length, 1);
});

test('a subscription that is closed while it waits for its tally asks no more', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.says({ type: 'unsubscribed', id: 1, reason: 'dropped' });
  const states = told.states.length;
  subscription.close();
  socket.taken();
  pass(9_000);
  assert.deepEqual(socket.taken(), []);
  assert.equal(told.states.length, states);
});

test('a bad key is not asked for again, and the subscription fails only while it has no other', () => {
  const { subscription, told, socket } = begin({ keys: ['abc'] });
  socket.taken();
  socket.says({ type: 'error', id: 1, code: 'bad_key', message: 'abc is no bigint' });
  assert.deepEqual(told.states, [{ state: 'failed', reason: 'abc is no bigint', code: 'bad_key' }]);
  assert.deepEqual(socket.taken(), [{ type: 'subscribe', id: 1, tally: 'tweets', keys: [] }]);
  socket.says(snapshot({}));
  pass(9_000);
  assert.deepEqual(socket.taken(), []);
  subscription.track(['33']);
  assert.deepEqual(socket.taken(), [{ type: 'track', id: 1, keys: ['33'] }]);
  socket.says(snapshot({ 33: { n: 1 } }));
  assert.equal(subscription.state.state, 'live');
  assert.deepEqual(reconnect().taken()[0].keys, ['33']);
});

// ---- the connection

test('pauses grow from 100 ms to 10 s, at random', () => {
  const pauses = [];
  const states = [];
  connect({ url, WebSocket: FakeSocket, transports: ['websocket'], onState: (state) => states.push(state) });
  for (const chance of [0, 1]) {
    clock.random = chance;
    for (let round = 0; round < 10; ++round) {
      last().dies();
      const { retryInMs } = states.at(-1);
      pauses.push(retryInMs);
      const count = sockets.length;
      pass(retryInMs - 1);
      assert.equal(sockets.length, count);
      pass(1);
      assert.equal(sockets.length, count + 1);
    }
  }
  assert.deepEqual(pauses.slice(0, 10), Array(10).fill(100));
  assert.deepEqual(pauses.slice(10), Array(10).fill(10_000));
  assert.equal(states[0].reason, 'the server cannot be reached');
});

test('the pause grows also when the server takes the connection and drops it; it is short again once that lasted', () => {
  clock.random = 1;
  const { told } = begin();
  const lose = () => { last().dies(); return told.states.at(-1).retryInMs; };
  const again = () => { pass(10_000 - 1); pass(1); if (last().closed) pass(10_000); last().open(); };
  const pauses = [];
  for (let round = 0; round < 3; ++round) { pauses.push(lose()); again(); }
  assert.deepEqual(pauses, [200, 400, 800]);
  pass(4_999);
  assert.equal(lose(), 1_600);
  again();
  pass(5_000);
  assert.equal(lose(), 200);
});

test('an idle link is asked, and given up when it does not answer', () => {
  const { told, socket } = begin();
  socket.taken();
  pass(10_000); // the opening was a sign of life
  assert.deepEqual(socket.taken(), []);
  pass(10_000);
  assert.deepEqual(socket.taken(), [{ type: 'ping' }]);
  socket.says({ type: 'pong' });
  pass(10_000);
  assert.deepEqual(socket.taken(), []);
  pass(20_000);
  assert.equal(socket.closed, true);
  assert.equal(told.states.at(-1).reason, 'the server does not answer');
  assert.deepEqual(socket.taken(), [{ type: 'ping' }]);
  pass(150);
  assert.equal(sockets.length, 2);
});

test('a link that is talked on is not asked', () => {
  const { socket } = begin();
  socket.taken();
  for (let second = 0; second < 60; second += 5) {
    pass(5_000);
    socket.says(change(second, {}));
  }
  assert.deepEqual(socket.taken(), []);
});

test('a connection that does not open in time is given up', () => {
  connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
  pass(10_000);
  assert.equal(last().closed, true);
  pass(150);
  assert.equal(sockets.length, 2);
});

test('what a socket says after it was given up is not heard', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  const { onmessage, onclose } = socket;
  pass(30_000);
  assert.equal(socket.onmessage, null);
  assert.equal(socket.onclose, null);
  assert.ok(onmessage && onclose);
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
});

test('retry connects at once', () => {
  const { client, socket } = begin();
  socket.dies();
  client.retry();
  assert.equal(sockets.length, 2);
  pass(10_000 - 1);
  assert.equal(sockets.length, 2, 'the pause that it replaces does not open another');
});

test('a network that comes back ends the pause', () => {
  const listeners = new Map();
  Object.assign(globalThis, {
    addEventListener: (name, run) => listeners.set(name, run),
    removeEventListener: (name, run) => listeners.get(name) === run && listeners.delete(name),
  });
  try {
    const { client, socket } = begin();
    socket.dies();
    listeners.get('online')();
    assert.equal(sockets.length, 2);
    client.close();
    assert.equal(listeners.size, 0);
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test('what is not JSON ends the connection, and a new one is made', () => {
  const { told, socket } = begin();
  socket.says('<html>');
  assert.equal(socket.closed, true);
  assert.match(told.states.at(-1).reason, /not JSON/);
  pass(150);
  assert.equal(sockets.length, 2);
});

test('errors that no subscription answers for go to the client', () => {
  const errors = [];
  const { socket } = begin({}, { onError: (error) => errors.push(error.code) });
  socket.says({ type: 'error', code: 'bad_message', message: 'm' });
  socket.says({ type: 'error', id: 77, code: 'unknown_id', message: 'of a subscription closed meanwhile' });
  assert.deepEqual(errors, ['bad_message']);
});

test('messages of an unknown type are ignored', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.says({ type: 'news', id: 1, keys: {} });
  socket.says({ type: 'news' });
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
});

// ---- the end

test('closing a subscription unsubscribes, and no handler is called afterwards', () => {
  const { subscription, told, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.taken();
  subscription.close();
  subscription.close();
  assert.deepEqual(socket.taken(), [{ type: 'unsubscribe', id: 1 }]);
  socket.says(change(11, { 1: { n: 2 } }));
  socket.says({ type: 'unsubscribed', id: 1 });
  assert.equal(told.changes.length, 1);
  assert.deepEqual(reconnect().taken(), []);
});

test('close of the client ends its socket and all its timers', () => {
  const { client, socket } = begin();
  client.close();
  assert.equal(socket.closed, true);
  assert.equal(clock.timers.size, 0);
  assert.equal(client.state.state, 'closed');
});

test('close of the client while it waits ends the waiting', () => {
  const { client, socket } = begin();
  socket.says({ type: 'error', id: 1, code: 'unknown_tally', message: 'm' });
  socket.dies();
  client.close();
  pass(60_000);
  assert.equal(sockets.length, 1);
});

test('a handler that throws does not stop the client, and is not silenced', () => {
  const later = [];
  const { queueMicrotask } = globalThis;
  globalThis.queueMicrotask = (run) => later.push(run);
  try {
    const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
    const subscription = client.subscribe({ tally: 'tweets' }, { onChange: () => { throw new Error('mine'); } });
    last().open();
    last().says(snapshot({ 1: { n: 1 } }));
    assert.equal(subscription.state.state, 'live');
    assert.throws(later[0], /mine/);
  } finally {
    globalThis.queueMicrotask = queueMicrotask;
  }
});
