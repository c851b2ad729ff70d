// One subscription on the wire for any number on the page, and refusals that concern only what was refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeSocket, begin, change, connect, content, last, pass, reconnect, settle, snapshot, url } from './fakes.mjs';

const quiet = { url, WebSocket: FakeSocket, transports: ['websocket'] };

/** A server that knows numbers only. Answers what a socket was sent. */
function serve(socket) {
  let messages = 0;
  for (let all = socket.taken(); all.length; all = socket.taken()) {
    for (const { type, id, keys } of all) {
      messages += 1;
      const bad = keys?.find((key) => !/^\d+$/.test(key));
      if (type !== 'subscribe' && type !== 'track') continue;
      if (bad !== undefined) socket.says({ type: 'error', id, code: 'bad_key', message: `${bad} is no bigint`, key: bad });
      else socket.says(snapshot(Object.fromEntries(keys.map((key) => [key, { n: Number(key) }])), { id }));
    }
  }
  return messages;
}

test('300 subscriptions of one key each are one on the wire, and all are live', () => {
  const client = connect(quiet);
  const all = Array.from({ length: 300 }, (_, key) => client.subscribe({ tally: 'tweets', keys: [key] }));
  last().open();
  const [message, ...none] = last().taken();
  assert.equal(message.keys.length, 300);
  assert.deepEqual(none, []);
  last().says(snapshot(Object.fromEntries(message.keys.map((key) => [key, { n: 1 }]))));
  assert.ok(all.every(({ state, values }) => state.state === 'live' && values.size === 1));
});

test('subscriptions made later join by one track, and the last one to leave ends it', () => {
  const { client, subscription, socket } = begin({ keys: ['1'] });
  const more = [2, 3, 1].map((key) => client.value('tweets', key));
  assert.equal(socket.taken().length, 1, 'the subscribe is not answered yet');
  socket.says(snapshot({ 1: { n: 1 } }));
  assert.deepEqual(socket.taken(), [{ type: 'track', id: 1, keys: ['2', '3'] }]);
  assert.deepEqual(more[2].value, { n: 1 }, 'another subscription has this key already');
  socket.says(snapshot({ 2: { n: 2 }, 3: { n: 3 } }));
  assert.ok(more.every(({ state }) => state.state === 'live'));
  assert.deepEqual(more.map(({ value }) => value.n), [2, 3, 1]);

  subscription.close();
  assert.deepEqual(socket.taken(), [], 'value 1 is still followed by another');
  more[2].close();
  assert.deepEqual(socket.taken(), [{ type: 'untrack', id: 1, keys: ['1'] }]);
  more[0].close();
  more[1].close();
  assert.deepEqual(socket.taken().at(-1), { type: 'unsubscribe', id: 1 });
});

test('a subscription of a new key is live when that is answered, however long the others have been', () => {
  const { client, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  const late = client.value('tweets', 2);
  assert.equal(late.state.state, 'connecting');
  socket.says(snapshot({ 2: { n: 2 } }));
  assert.deepEqual([late.state.state, late.value], ['live', { n: 2 }]);
});

test('a subscription that finds its keys known is told them after it was returned', async () => {
  const { client, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  const told = [];
  const joined = client.subscribe({ tally: 'tweets', keys: ['1'] }, {
    onChange: (changed) => told.push(['change', joined.values.size, changed.get('1')]),
    onState: ({ state }) => told.push([state]),
  });
  assert.deepEqual(told, []);
  await settle();
  assert.deepEqual(told, [['change', 1, { n: 1 }], ['live']]);
});

test('a change reaches the subscriptions of its key only', () => {
  const { client, told, socket } = begin({ keys: ['1'] });
  const other = [];
  client.subscribe({ tally: 'tweets', keys: ['2'] }, { onChange: (changed) => other.push([...changed.keys()]) });
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.says(snapshot({ 2: { n: 2 } }));
  socket.says(change(11, { 2: { n: 3 } }));
  assert.equal(told.changes.length, 1);
  assert.deepEqual(other, [['2'], ['2']]);
});

test('half of a character and a NUL are refused by the client, each by its name, and the rest lives', () => {
  const { subscription, told, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  socket.taken();
  subscription.track(['\ud83d']);
  subscription.track(['x\0y', 'y'.repeat(513), '2']);
  assert.deepEqual(told.errors.map(({ code, keys: [key] }) => [code, key.slice(0, 3)]),
    [['bad_key', '\ud83d'], ['bad_key', 'x\0y'], ['bad_key', 'yyy']]);
  assert.deepEqual(socket.taken(), [{ type: 'track', id: 1, keys: ['2'] }]);
  socket.says(snapshot({ 2: { n: 2 } }));
  assert.equal(subscription.state.state, 'live');
  const next = reconnect();
  assert.deepEqual(next.taken()[0].keys, ['1', '2']);
  next.says(snapshot({}, { partial: true }));
  assert.equal(subscription.state.state, 'live');
});

test('bad keys are refused, and the good ones among them live', () => {
  const bad = ['abc', '07x', 'q'];
  const good = Array.from({ length: 500 }, (_, key) => String(key));
  const keys = [...good.slice(0, 100), bad[0], ...good.slice(100, 300), bad[1], bad[2], ...good.slice(300)];
  const { subscription, told, socket } = begin({ keys });
  const messages = serve(socket);
  assert.equal(subscription.state.state, 'live');
  assert.deepEqual([...subscription.values.keys()].sort(), good.sort());
  assert.deepEqual(told.errors.flatMap((error) => error.keys).sort(), bad.sort());
  assert.equal(messages, 4, 'one more for each bad key');
  subscription.untrack(bad);
  assert.equal(subscription.state.state, 'live');
  const next = reconnect();
  assert.equal(next.taken()[0].keys.length, 500);
});

test('a bad key of one subscription leaves the others alone', () => {
  const client = connect(quiet);
  const errors = [];
  const bad = client.value('tweets', 'abc', { onError: ({ keys }) => errors.push(...keys) });
  const good = client.value('tweets', 7);
  last().open();
  serve(last());
  assert.equal(good.state.state, 'live');
  assert.deepEqual([bad.state.state, bad.state.code], ['failed', 'bad_key']);
  assert.deepEqual(errors, ['abc']);
});

test('a refused key is asked for again when the tally is another one', () => {
  const { subscription, socket } = begin({ keys: ['1', 'abc'] });
  serve(socket);
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
  socket.says(snapshot({ 1: { n: 1 } }, { epoch: 'e2' }));
  assert.deepEqual(socket.taken(), [{ type: 'track', id: 1, keys: ['abc'] }]);
  socket.says(snapshot({ abc: { n: 5 } }, { epoch: 'e2' }));
  assert.deepEqual(content(subscription), { 1: { n: 1 }, abc: { n: 5 } });
});

test('beyond 10,000 keys of a tally the rest is refused, until others leave', () => {
  const { client, subscription, socket } = begin({ keys: Array.from({ length: 9_999 }, (_, key) => key) });
  const errors = [];
  const late = client.subscribe({ tally: 'tweets', keys: ['20000', '20001'] }, { onError: (error) => errors.push(error) });
  serve(socket);
  assert.deepEqual(errors.map(({ code, keys }) => [code, ...keys]), [['too_many_keys', '20001']]);
  assert.deepEqual([...late.values.keys()], ['20000']);
  subscription.untrack(['5']);
  serve(socket);
  assert.deepEqual([...late.values.keys()], ['20000', '20001']);
});

test('too many subscriptions: those refused try again at once when another ends', () => {
  const client = connect(quiet);
  const all = Array.from({ length: 3 }, (_, at) => client.subscribe({ tally: `t${at}` }));
  last().open();
  last().taken();
  last().says(snapshot({}, { id: 1 }));
  last().says({ type: 'error', id: 3, code: 'too_many_subscriptions', message: 'm' });
  assert.equal(all[2].state.code, 'too_many_subscriptions');
  all[0].close();
  assert.deepEqual(last().taken().map(({ type, id }) => [type, id]), [['unsubscribe', 1], ['subscribe', 3]]);
  last().says(snapshot({}, { id: 3 }));
  assert.equal(all[2].state.state, 'live');
});

test('a counter that is unknown is asked for again, ever less often', () => {
  const { client, socket } = begin();
  const top = client.top('tweets', { by: 'nope' });
  socket.taken();
  socket.says({ type: 'error', id: 2, code: 'unknown_counter', message: 'm' });
  assert.deepEqual({ ...top.state }, { state: 'failed', reason: 'm', code: 'unknown_counter' });
  pass(200);
  assert.deepEqual(socket.taken(), [{ type: 'subscribe', id: 2, tally: 'tweets', top: { by: 'nope', limit: 10 } }]);
});

test('after a reconnect nothing is live before all of it was answered', () => {
  const keys = Array.from({ length: 3_000 }, (_, at) => `${at}:`.padEnd(100, 'x'));
  const { subscription, socket } = begin({ keys });
  const answer = (to) => {
    const [{ keys: asked, since }] = to.taken();
    to.says(snapshot(Object.fromEntries(asked.map((key) => [key, { n: 1 }]))));
    return since;
  };
  answer(socket);
  answer(socket);
  assert.equal(subscription.state.state, 'live');
  const next = reconnect();
  assert.deepEqual(answer(next), { epoch: 'e1', revision: 10 });
  assert.equal(subscription.state.state, 'disconnected');
  const another = reconnect();
  assert.equal(answer(another), undefined, 'the rest was not asked for, so that nothing is known of it since');
  answer(another);
  assert.equal(subscription.state.state, 'live');
});

test('a wrong type is a TypeError that says what is wanted', () => {
  const { client, subscription } = begin({ keys: ['1'] });
  for (const keys of [33, { 33: 1 }, '40', null, [33.5], [null], [['1']], [2 ** 53]]) {
    assert.throws(() => client.subscribe({ tally: 'tweets', keys }), TypeError, String(keys));
    assert.throws(() => subscription.track(keys), TypeError);
    assert.throws(() => subscription.untrack(keys), TypeError);
  }
  assert.throws(() => subscription.track('40'), /keys is an array .* not "40"/);
  assert.throws(() => client.subscribe({ tally: 'tweets', keys: [33.5] }), /a key is a string, an integer or a BigInt, not 33.5/);
  for (const [request, words] of [
    [undefined, /subscribe takes/], [{}, /tally is a name/], [{ tally: '\ud83d' }, /tally is a name/], [{ tally: 't', intervalMs: -1 }, /intervalMs/],
    [{ tally: 't', top: { limit: 3 } }, /by is a name/], [{ tally: 't', top: { by: 'n', limit: 0 } }, /limit/], [{ tally: 't', top: true }, /top is/],
    [{ tally: 't', rank: { by: 'n' } }, /a key is/], [{ tally: 't', rank: { by: 'n', key: 1, around: 51 } }, /around/], [{ tally: 't', sum: true, keys: [] }, /one thing/],
  ]) assert.throws(() => client.subscribe(request), { name: 'TypeError', message: words });
  assert.throws(() => connect({ url, transports: ['smoke'] }), /transports is a list/);
  assert.deepEqual(content(subscription), {});
});
