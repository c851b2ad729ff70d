// Server-Sent Events and long poll against a server that these tests play, by the protocol, on real sockets.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const made = process.env.PGTALLY_CLIENT;
const { connect } = await import(made ? pathToFileURL(made) : '../../server/web/client/pgtally.js');

let server;
let url;
let revision;
let counters; // key -> n
let requests; // of targets
let streams; // open ones: { response, keys }
let polls; // that wait: { response, target }
let token; // that is wanted

before(async () => {
  server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.on('listening', resolve); });
  url = `http://127.0.0.1:${server.address().port}/v1/ws`;
});
after(() => { server.closeAllConnections(); server.close(); });
beforeEach(() => {
  [revision, counters, requests, streams, polls, token] = [10, { 1: 1, 2: 2 }, [], new Set(), new Set(), null];
});

const valuesOf = (keys) => Object.fromEntries(keys.map((key) => [key, { n: counters[key] ?? 0 }]));

function answer(request, response) {
  const target = new URL(request.url, url);
  const send = (status, body) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  requests.push(request.url);
  if (token && request.headers.authorization !== `Bearer ${token}`) {
    send(401, { code: 'unauthorized', detail: 'no' });
    return;
  }
  const keys = target.searchParams.getAll('key');
  const bad = keys.find((key) => !/^\d+$/.test(key));
  const head = { epoch: 'e1', revision, state: 'live' };
  if (bad !== undefined) send(400, { code: 'bad_key', detail: `${bad} is no bigint`, key: bad });
  else if (target.pathname === '/v1/tallies') send(200, { tallies: [] });
  else if (target.pathname.endsWith('/nope/events')) send(404, { code: 'unknown_tally', detail: 'none' });
  else if (target.pathname.endsWith('/events')) stream(target, keys, response, head);
  else if (target.searchParams.get('since') === `e1-${revision}` && !target.searchParams.has('wait')) response.writeHead(204).end();
  else if (target.searchParams.get('since') === `e1-${revision}`) {
    const poll = { response };
    polls.add(poll);
    const end = setTimeout(() => response.writeHead(204).end(), 1_000 * target.searchParams.get('wait'));
    response.on('close', () => { clearTimeout(end); polls.delete(poll); });
  } else if (target.pathname.endsWith('/top')) send(200, { top: [{ key: '2', counters: { n: counters[2] } }], by: 'n', ...head });
  else if (target.pathname.endsWith('/rank')) send(200, { rank: { key: '1', place: 2, of: 2 }, around: [], by: 'n', ...head });
  else if (target.pathname.endsWith('/keys')) send(200, { keys: valuesOf(keys), ...head });
  else send(200, { name: 'tweets', sum: { n: counters[1] + counters[2] }, size: 2, ...head });
}

function stream(target, keys, response, head) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write('retry: 2000\n\n');
  const since = target.searchParams.get('since');
  const partial = since === `e1-${revision}`;
  say(response, 'snapshot', { ...head, keys: partial ? {} : valuesOf(keys.length ? keys : Object.keys(counters)), ...(partial && { partial }) });
  const open = { response, keys };
  streams.add(open);
  response.on('close', () => streams.delete(open));
}

// In two halves, so that an event does not arrive whole.
function say(response, event, data) {
  const text = `event: ${event}\nid: e1-${revision}\ndata: ${JSON.stringify(data)}\n\n`;
  response.write(text.slice(0, 20));
  response.write(text.slice(20));
}

function change(key, n) {
  counters[key] = n;
  revision += 1;
  for (const { response, keys } of streams) {
    if (!keys.length || keys.includes(key)) say(response, 'change', { revision, keys: valuesOf([key]) });
  }
  for (const { response } of [...polls]) {
    const all = valuesOf(Object.keys(counters));
    response.writeHead(200).end(JSON.stringify({ keys: all, epoch: 'e1', revision, state: 'live' }));
  }
}

/** Waits until a subscription is as `test` wants it. */
async function until(subscription, fits, what) {
  const deadline = Date.now() + 20_000;
  while (!fits(subscription)) {
    if (Date.now() > deadline) throw new Error(`${what ?? fits} never came: ${subscription.values.size} values, ${JSON.stringify(subscription.state)}`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

const live = ({ state }) => state.state === 'live';
const has = (key, n) => ({ values }) => values.get(key)?.n === n;

for (const transport of ['sse', 'longpoll']) {
  const open = (options) => connect({ url, transports: [transport], backoffMs: { min: 5, max: 20 }, ...options });

  test(`${transport}: snapshot, change, track, untrack, and the tally's state`, async () => {
    const client = open();
    const one = client.subscribe({ tally: 'tweets', keys: ['1'] });
    await until(one, live);
    assert.equal(client.transport, transport);
    await until(one, has('1', 1));
    change('1', 5);
    await until(one, has('1', 5));
    one.track(['2']);
    await until(one, has('2', 2));
    change('2', 7);
    await until(one, has('2', 7));
    one.untrack(['1', '2']);
    assert.equal(one.state.state, 'live');
    assert.equal(one.values.size, 0);
    client.close();
  });

  test(`${transport}: a bad key is refused, the rest lives`, async () => {
    const client = open();
    const errors = [];
    const some = client.subscribe({ tally: 'tweets', keys: ['1', 'abc', '2'] }, { onError: ({ keys }) => errors.push(...keys) });
    await until(some, live);
    some.track(['3', 'x']);
    await until(some, () => errors.length === 2);
    await until(some, has('3', 0));
    change('1', 9);
    await until(some, has('1', 9));
    assert.deepEqual(errors, ['abc', 'x']);
    client.close();
  });

  test(`${transport}: a lost connection is made again, and resumes by its position`, async () => {
    const client = open();
    const one = client.subscribe({ tally: 'tweets', keys: ['1'] });
    await until(one, live);
    const states = [];
    one.listen(() => states.push(one.state.state));
    requests.length = 0;
    server.closeAllConnections();
    await until(one, () => states.includes('disconnected') && one.state.state === 'live');
    const [first] = requests.filter((target) => target.includes('key=1'));
    assert.match(first, /since=e1-10/);
    change('1', 3);
    await until(one, has('1', 3));
    client.close();
  });

  test(`${transport}: the token is in the header, never in the address`, async () => {
    token = 't2';
    let count = 0;
    const client = open({ getToken: async () => `t${++count}` });
    const one = client.value('tweets', 1);
    assert.deepEqual(await one.ready(), { n: 1 });
    assert.ok(requests.every((target) => !target.includes('t2')));
    client.close();
  });

  test(`${transport}: many keys go in several addresses, and more than may wait at a time take turns`, async () => {
    const client = open();
    const keys = Array.from({ length: 2_500 }, (_, at) => String(100_000 + at));
    const many = client.subscribe({ tally: 'tweets', keys });
    await until(many, ({ values }) => values.size === keys.length, 'every key');
    await until(many, live);
    assert.ok(requests.every((target) => target.length < 8_000));
    assert.ok(streams.size + polls.size <= 4, `${streams.size} streams and ${polls.size} polls`);
    client.close();
  });
}

test('sse: every key of a tally', async () => {
  const client = connect({ url, transports: ['sse'] });
  const all = client.subscribe({ tally: 'tweets' });
  await until(all, live);
  change('3', 3);
  await until(all, has('3', 3));
  client.close();
});

test('sse: a tally that is unknown is asked for again', async () => {
  const client = connect({ url, transports: ['sse'], backoffMs: { min: 5, max: 10 } });
  const none = client.subscribe({ tally: 'nope' });
  await until(none, ({ state }) => state.code === 'unknown_tally');
  await until(none, () => requests.filter((target) => target.includes('nope')).length > 2);
  client.close();
});

test('longpoll: top, sum and rank; every key is refused with the reason', async () => {
  const client = connect({ url, transports: ['longpoll'] });
  const [top, sum, rank] = [client.top('tweets', { by: 'n' }), client.sum('tweets'), client.rank('tweets', { by: 'n', key: 1 })];
  assert.deepEqual(await top.ready(), [{ key: '2', counters: { n: 2 } }]);
  assert.deepEqual(await sum.ready(), { sum: { n: 3 }, size: 2 });
  assert.deepEqual(await rank.ready(), { rank: { key: '1', place: 2, of: 2 }, around: [], by: 'n' });
  await assert.rejects(client.subscribe({ tally: 'tweets' }).ready(), { code: 'not_by_long_poll' });
  client.close();
});

test('what is left when a client closes: no request', async () => {
  const client = connect({ url, transports: ['sse'] });
  await client.value('tweets', 1).ready();
  assert.equal(streams.size, 1);
  client.close();
  await until({ values: [], state: {} }, () => streams.size === 0);
});
