// A subscription that is made while another of its tally is live.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begin, settle, snapshot } from './fakes.mjs';

test('a key that joins a live subscription becomes live with its value, and its ready() resolves', async () => {
  const { client, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  const states = [];
  const late = client.value('tweets', 2, { onState: ({ state }) => states.push(state) });
  const ready = late.ready();
  await settle();
  assert.deepEqual([late.state.state, late.value], ['connecting', undefined]);
  socket.says(snapshot({ 2: { n: 2 } }));
  assert.deepEqual([late.state.state, late.value], ['live', { n: 2 }]);
  assert.deepEqual(states, ['live']);
  assert.deepEqual(await ready, { n: 2 });
});

test('a subscription of several keys is live with the last of them', () => {
  const { client, socket } = begin({ keys: ['1'] });
  socket.says(snapshot({ 1: { n: 1 } }));
  const late = client.subscribe({ tally: 'tweets', keys: [1, 2] });
  late.track([3]);
  assert.equal(late.state.state, 'connecting');
  socket.says(snapshot({ 2: { n: 2 } }));
  assert.equal(late.state.state, 'connecting', '3 is asked for, and not answered');
  socket.says(snapshot({ 3: { n: 3 } }));
  assert.equal(late.state.state, 'live');
});
