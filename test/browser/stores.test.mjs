// What the adapters are made of, without a browser: the store, Svelte's contract, and a TanStack DB collection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCollection } from '@tanstack/db';
import { counterStore, topStore } from '../../server/web/client/store.js';
import { counter } from '../../server/web/client/svelte.js';
import { pgtallyCollectionOptions } from '../../server/web/client/tanstack-db.js';
import { FakeSocket, change, connect, last, pass, settle, snapshot, url } from './fakes.mjs';

function open() {
  const client = connect({ url, WebSocket: FakeSocket, transports: ['websocket'] });
  last().open();
  last().taken();
  return { client, socket: last() };
}
const types = (socket) => socket.taken().map(({ type }) => type);

test('a store subscribes with its first listener, and closes with its last', () => {
  const { client, socket } = open();
  const store = counterStore(client, 'tweets', 33, { n: 1 });
  assert.deepEqual(types(socket), []);
  const calls = [];
  const ends = [store.subscribe(() => calls.push('a')), store.subscribe(() => calls.push('b'))];
  assert.deepEqual(types(socket), ['subscribe']);
  socket.says(snapshot({ 33: { n: 2 } }));
  assert.deepEqual(store.get(), { value: { n: 2 }, state: { state: 'live' } });
  assert.deepEqual(store.first(), { value: { n: 1 }, state: { state: 'connecting' } }, 'what a server has rendered');
  assert.ok(calls.includes('a') && calls.includes('b'));
  ends[0]();
  assert.deepEqual(types(socket), []);
  ends[1]();
  assert.equal(types(socket).at(-1), 'unsubscribe');
  ends[1]();
  assert.deepEqual(types(socket), [], 'ended once');
});

test('a snapshot of a store is the same object until something differs', () => {
  const { client, socket } = open();
  const store = topStore(client, 'tweets', { by: 'n', limit: 2 }, []);
  let calls = 0;
  store.subscribe(() => { calls += 1; });
  assert.equal(store.get(), store.get());
  const before = store.get();
  socket.says({ type: 'state', id: 1, state: 'loading' });
  assert.notEqual(store.get(), before);
  assert.equal(store.get().value, before.value);
  const told = calls;
  socket.says({ type: 'state', id: 1, state: 'loading' });
  assert.equal(calls, told);
});

test('a store that is opened again keeps its value, and says that it connects', () => {
  const { client, socket } = open();
  const store = counterStore(client, 'tweets', 33);
  const end = store.subscribe(() => {});
  socket.says(snapshot({ 33: { n: 2 } }));
  end();
  assert.deepEqual(store.get(), { value: { n: 2 }, state: { state: 'connecting' } });
  store.subscribe(() => {});
  socket.says(snapshot({ 33: { n: 3 } }, { id: 2 }));
  assert.deepEqual(store.get(), { value: { n: 3 }, state: { state: 'live' } });
});

test('without a client a store keeps what it was given', () => {
  const store = counterStore(null, 'tweets', 33, { n: 1 });
  store.subscribe(() => assert.fail('nothing changes'))();
  assert.deepEqual(store.get().value, { n: 1 });
});

test('a Svelte store tells its value at once, and then only what differs', () => {
  const { client, socket } = open();
  const told = [];
  const end = counter(client, 'tweets', 33, { initial: { n: 1 } }).subscribe(({ value, state }) => told.push([value.n, state.state]));
  socket.says(snapshot({ 33: { n: 2 } }));
  end();
  socket.says(change(11, { 33: { n: 3 } }));
  assert.deepEqual(told, [[1, 'connecting'], [2, 'connecting'], [2, 'live']]);
});

const rows = (collection) => Object.fromEntries(collection.toArray.map(({ key, counters }) => [key, counters.n]));

test('a collection of every key is what snapshots and changes say, in another epoch too', async () => {
  const { client, socket } = open();
  const states = [];
  const collection = createCollection(pgtallyCollectionOptions({ client, tally: 'tweets', onState: ({ state }) => states.push(state) }));
  const ready = collection.preload();
  assert.deepEqual(types(socket), ['subscribe']);
  assert.equal(collection.status, 'loading');
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 2 } }));
  await ready;
  assert.deepEqual(rows(collection), { 1: 1, 2: 2 });
  socket.says(change(11, { 1: { n: 0 }, 3: { n: 3 } }));
  assert.deepEqual(rows(collection), { 2: 2, 3: 3 }, 'a key that fell to 0 is no row');
  socket.says(change(12, { 1: { n: 5 } }));
  socket.says(snapshot({ 1: { n: 6 }, 4: { n: 4 } }, { epoch: 'another', revision: 1 }));
  assert.deepEqual(rows(collection), { 1: 6, 4: 4 });
  assert.deepEqual(states, ['live']);
  await collection.cleanup();
  assert.deepEqual(types(socket), ['unsubscribe']);
});

test('a collection of named keys has them at 0 too', async () => {
  const { client, socket } = open();
  const collection = createCollection(pgtallyCollectionOptions({ client, tally: 'tweets', keys: [1, 2] }));
  const ready = collection.preload();
  socket.says(snapshot({ 1: { n: 1 }, 2: { n: 0 } }));
  await ready;
  socket.says(change(11, { 1: { n: 0 } }));
  assert.deepEqual(rows(collection), { 1: 0, 2: 0 });
  await collection.cleanup();
});

test('a collection without a first snapshot says why, and is ready when one comes', async () => {
  const { client, socket } = open();
  const collection = createCollection(pgtallyCollectionOptions({ client, tally: 'tweets' }));
  const ready = collection.preload();
  socket.says({ type: 'error', id: 1, code: 'unknown_tally', message: 'there is no tally "tweets"' });
  await assert.rejects(ready, /there is no tally/);
  assert.equal(collection.status, 'error');
  socket.taken();
  pass(1_000);
  assert.deepEqual(types(socket), ['subscribe'], 'it is asked for again');
  socket.says(snapshot({ 1: { n: 1 } }));
  await settle();
  assert.equal(collection.status, 'ready');
  assert.deepEqual(rows(collection), { 1: 1 });
  await collection.cleanup();
});

test('a collection where a server renders asks nothing', () => {
  const collection = createCollection(pgtallyCollectionOptions({ client: null, tally: 'tweets', startSync: true }));
  assert.equal(collection.size, 0);
});
