// What a page and its framework get: values, promises, iteration, lists and sums, tokens and actions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeSocket, PgtallyError, begin, change, clock, connect, content, last, pass, settle, snapshot, url } from './fakes.mjs';

const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers });

test('every change is a new Map, and no other', () => {
  const { subscription, socket } = begin();
  socket.says(snapshot({ 1: { n: 1 } }));
  const first = subscription.values;
  assert.equal(subscription.values, first);
  socket.says(change(11, { 1: { n: 1 } }));
  assert.equal(subscription.values, first);
  socket.says(change(12, { 1: { n: 2 } }));
  assert.notEqual(subscription.values, first);
  assert.deepEqual([first.get('1'), subscription.values.get('1')], [{ n: 1 }, { n: 2 }]);
});

test('the client and its subscriptions work behind proxies, as frameworks make them', () => {
  const { client, socket } = begin();
  const deep = (target) => new Proxy(target, { get: (of, name, self) => {
    const value = Reflect.get(of, name, self);
    return value !== null && typeof value === 'object' && Object.isExtensible(value) ? deep(value) : value;
  } });
  const held = deep({ client });
  const mine = deep({ it: held.client.subscribe({ tally: 'others', keys: [1] }) });
  socket.says(snapshot({ 1: { n: 1 } }, { id: 2 }));
  assert.deepEqual(mine.it.values.get('1'), { n: 1 });
  mine.it.track([2]);
  mine.it.close();
});

test('ready, once and for await', async () => {
  const { client, socket } = begin();
  const one = client.value('tweets', 33);
  const ready = one.ready();
  socket.says(snapshot({ 33: { favs: 1 } }, { id: 2 }));
  assert.deepEqual(await ready, { favs: 1 });
  await client.ready();
  const once = one.once();
  socket.says(change(11, { 33: { favs: 2 } }, { id: 2 }));
  assert.deepEqual(await once, { favs: 2 });

  const seen = [];
  const reading = (async () => { for await (const { favs } of one) seen.push(favs); })();
  await settle();
  for (const favs of [3, 4, 5]) socket.says(change(9 + favs, { 33: { favs } }, { id: 2 }));
  await settle();
  socket.says(change(20, { 33: { favs: 6 } }, { id: 2 }));
  await settle();
  one.close();
  await reading;
  assert.deepEqual(seen, [2, 5, 6], 'who is slow gets the newest');
  await assert.rejects(one.ready(), { code: 'closed' });
});

test('ready is rejected by a refusal, a closed client and a signal', async () => {
  const { client, socket } = begin();
  const bad = client.value('tweets', 'abc');
  const refused = bad.ready();
  socket.says({ type: 'error', id: 2, code: 'bad_key', message: 'no bigint', key: 'abc' });
  await assert.rejects(refused, (error) => error instanceof PgtallyError && error.code === 'bad_key' && /no bigint/.test(error.message));
  const stop = new AbortController();
  const stopped = client.value('tweets', 7).ready({ signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(stopped, /enough/);
  const left = client.value('others', 1).once();
  client.close();
  await assert.rejects(left, { code: 'closed' });
  await assert.rejects(client.ready(), { code: 'closed' });
});

test('signals close a subscription, and the client', () => {
  const all = new AbortController();
  const { client, socket } = begin({}, { signal: all.signal });
  const one = new AbortController();
  client.subscribe({ tally: 'others' }, { signal: one.signal });
  socket.taken();
  one.abort();
  assert.deepEqual(socket.taken(), [{ type: 'unsubscribe', id: 2 }]);
  all.abort();
  assert.equal(client.state.state, 'closed');
  assert.equal(clock.timers.size, 0);
});

test('listen is told of values and states, as stores want it', () => {
  const { client, socket } = begin();
  const one = client.value('tweets', 1);
  let calls = 0;
  const stop = one.listen(() => { calls += 1; });
  socket.says(snapshot({ 1: { n: 1 } }, { id: 2 }));
  assert.ok(calls >= 1);
  const before = calls;
  stop();
  socket.says(change(11, { 1: { n: 2 } }, { id: 2 }));
  assert.equal(calls, before);
});

test('top, sum and rank ask as the protocol says, and give what comes', async () => {
  const { client, socket } = begin();
  socket.taken();
  const seen = [];
  const top = client.top('tweets', { by: 'favs', limit: 2 }, { onChange: (list) => seen.push(list) });
  const twin = client.top('tweets', { by: 'favs', limit: 2 });
  const sum = client.sum('tweets');
  const rank = client.rank('tweets', { by: 'favs', key: 33, around: 2 });
  assert.deepEqual(socket.taken(), [
    { type: 'subscribe', id: 2, tally: 'tweets', top: { by: 'favs', limit: 2 } },
    { type: 'subscribe', id: 3, tally: 'tweets', sum: true },
    { type: 'subscribe', id: 4, tally: 'tweets', rank: { by: 'favs', key: '33', around: 2 } }]);
  const list = [{ key: '33', counters: { favs: 3 } }];
  const head = { type: 'snapshot', epoch: 'e1', revision: 1, state: 'live' };
  socket.says({ ...head, id: 2, top: list });
  socket.says({ ...head, id: 3, sum: { favs: 9 }, size: 4 });
  socket.says({ ...head, id: 4, rank: { key: '33', place: 1, of: 4 }, around: [], by: 'favs' });
  assert.deepEqual([top.value, twin.value, seen], [list, list, [list]]);
  assert.deepEqual(sum.value, { sum: { favs: 9 }, size: 4 });
  assert.deepEqual(rank.value, { rank: { key: '33', place: 1, of: 4 }, around: [], by: 'favs' });
  assert.deepEqual(await rank.ready(), rank.value);
  socket.says({ type: 'change', id: 3, revision: 2, sum: { favs: 10 }, size: 4 });
  assert.deepEqual(sum.value, { sum: { favs: 10 }, size: 4 });
  assert.equal(sum.state.state, 'live');
  assert.throws(() => top.track(['1']), /names no keys/);
});

// ---- actions

test('an action posts, and its answer is shown at once, without going back', async () => {
  const asked = [];
  const fetch = async (address, options) => {
    asked.push([address, options.method, options.body, options.headers]);
    return json(201, { key: '33', counters: { favs: 5 }, epoch: 'e1', revision: 20, state: 'live' });
  };
  const { client, subscription, socket } = begin({ keys: ['33', '34'] }, { fetch });
  socket.says(snapshot({ 33: { favs: 4 }, 34: { favs: 0 } }));
  const answer = await client.act('tweets', 33, 'fav', { by: 'me' });
  assert.deepEqual(asked, [['http://server.example/v1/tallies/tweets/keys/33/fav', 'POST', '{"by":"me"}', { 'Content-Type': 'application/json' }]]);
  assert.equal(answer.applied, true);
  assert.deepEqual(content(subscription), { 33: { favs: 5 }, 34: { favs: 0 } });
  socket.says(change(15, { 33: { favs: 3 }, 34: { favs: 1 } }));
  assert.deepEqual(content(subscription), { 33: { favs: 5 }, 34: { favs: 1 } }, 'a change before the action is older');
  socket.says(change(20, { 33: { favs: 5 } }));
  socket.says(change(21, { 33: { favs: 4 } }));
  assert.deepEqual(content(subscription), { 33: { favs: 4 }, 34: { favs: 1 } });
});

test('an answer of another epoch, or older than what is shown, is not shown', async () => {
  let answer;
  const { client, subscription, socket } = begin({}, { fetch: async () => json(201, answer) });
  socket.says(snapshot({ 1: { n: 1 } }));
  for (const more of [{ epoch: 'e2', revision: 99 }, { epoch: 'e1', revision: 10 }]) {
    answer = { key: '1', counters: { n: 7 }, state: 'live', ...more };
    await client.act('tweets', 1, 'fav');
  }
  assert.deepEqual(content(subscription), { 1: { n: 1 } });
});

test('keys that a proxy changes in a path go by a parameter', async () => {
  const paths = [];
  const { client } = begin({}, { fetch: async (address) => { paths.push(address.split('/v1/tallies/')[1]); return json(202, {}); } });
  for (const key of ['', '.', '..', 'a/b', '50%', 'a b', 'é']) assert.equal((await client.act('t', key, 'vote')).applied, false);
  assert.deepEqual(paths, ['t/actions/vote?key=', 't/actions/vote?key=.', 't/actions/vote?key=..', 't/actions/vote?key=a%2Fb',
    't/actions/vote?key=50%25', 't/keys/a%20b/vote', 't/keys/%C3%A9/vote']);
  await assert.rejects(client.act('t', '\ud83d', 'vote'), { code: 'bad_key', done: false });
});

test('an action that fails says whether it was done', async () => {
  let answer;
  const { client } = begin({}, { fetch: async () => answer() });
  const outcome = (make) => { answer = make; return client.act('t', 1, 'fav').catch(({ code, status, message, done }) => [code, status, message, done]); };
  const problem = { title: 'T', detail: 'why' };
  assert.deepEqual(await outcome(() => json(422, { ...problem, code: 'refused' })), ['refused', 422, 'why', false]);
  assert.deepEqual(await outcome(() => json(503, { ...problem, code: 'not_done' })), ['not_done', 503, 'why', false]);
  assert.deepEqual(await outcome(() => json(504, { ...problem, code: 'outcome_unknown' })), ['outcome_unknown', 504, 'why', undefined]);
  assert.deepEqual((await outcome(() => new Response('<html>', { status: 502, statusText: 'Bad Gateway' }))).slice(0, 3),
    ['http_error', 502, 'the server answered 502']);
  assert.deepEqual((await outcome(() => { throw new TypeError('fetch failed'); }))[0], 'unreachable');
});

// ---- tokens

const jwt = (exp, iat) => `e30.${btoa(JSON.stringify({ exp, iat }))}.x`;

test('the token goes first, and again before it ends', async () => {
  let count = 0;
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'], getToken: async () => { count += 1; return jwt(count * 600, 0); } });
  client.subscribe({ tally: 'tweets' });
  last().open();
  await settle();
  assert.deepEqual(last().taken(), [{ type: 'auth', token: jwt(600, 0) }]);
  assert.equal(client.state.state, 'connecting');
  last().says({ type: 'authenticated', until: 600 });
  assert.deepEqual(last().taken().map(({ type }) => type), ['subscribe']);
  for (let second = 0; second < 569; ++second) { last().says({ type: 'pong' }); pass(1_000); }
  await settle();
  assert.deepEqual(last().taken(), []);
  pass(1_000);
  await settle();
  assert.deepEqual(last().taken(), [{ type: 'auth', token: jwt(1200, 0) }]);
});

test('a page without a token begins without one', async () => {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'], getToken: async () => undefined });
  client.subscribe({ tally: 'tweets' });
  last().open();
  await settle();
  assert.deepEqual(last().taken().map(({ type }) => type), ['subscribe']);
  client.close();
});

test('a token that is refused is asked for anew', async () => {
  let count = 0;
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'], getToken: () => `token${++count}` });
  last().open();
  await settle();
  last().says({ type: 'error', code: 'unauthorized', message: 'signature' });
  assert.match(client.state.reason, /refused the token: signature/);
  pass(10_000);
  last().open();
  await settle();
  assert.deepEqual(last().taken(), [{ type: 'auth', token: 'token2' }]);
  client.close();
});

test('a getToken that fails is a reason, and is tried again', async () => {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'], getToken: () => { throw new Error('signed out'); } });
  last().open();
  await settle();
  assert.match(client.state.reason, /getToken failed: signed out/);
  client.close();
});

test('an action carries the token, and one that is refused is replaced once', async () => {
  let count = 0;
  const sent = [];
  const fetch = async (_address, { headers }) => {
    sent.push(headers.Authorization);
    return sent.length === 1 ? json(401, { code: 'unauthorized', detail: 'ended' }) : json(201, { counters: {} });
  };
  const { client } = begin({}, { fetch, getToken: async () => `t${++count}` });
  await client.act('tweets', 1, 'fav');
  assert.deepEqual(sent, ['Bearer t1', 'Bearer t2']);
});
