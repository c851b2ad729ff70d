// Clients that nobody here wrote, each by the protocol of server/README.md alone: `eventsource` (Server-Sent Events, as browsers
// do it), `ws` (WebSocket), and `undici` (REST, a stream of events, long polls, by connections that are kept). Each ends with
// the truth, although the server was away meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { EventSource } from 'eventsource';
import { Agent, request } from 'undici';
import WebSocket from 'ws';
import { Stage } from './stage.mjs';

const deadlineMs = 20_000;
const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

/** The favs of every key that is not 0. */
async function truth() {
  const all = Object.entries(await stage.truth()).filter(([, counters]) => Object.values(counters).some((count) => count !== '0'));
  return Object.fromEntries(all.map(([key, { favs }]) => [key, Number(favs)]));
}

/** What a client has by the protocol's rule: a snapshot replaces, unless it is partial; a change sets. */
class Held {
  keys = new Map();
  parts = new Map();
  position = null;

  take(type, { keys, more, partial, epoch, revision }) {
    if (type === 'snapshot') {
      for (const [key, counters] of Object.entries(keys)) this.parts.set(key, counters);
      if (more) return;
      if (!partial) this.keys = new Map();
      for (const [key, counters] of this.parts) this.keys.set(key, counters);
      this.parts = new Map();
      this.position = { epoch, revision };
    } else if (type === 'change') {
      for (const [key, counters] of Object.entries(keys)) this.keys.set(key, counters);
      if (!more) this.position = { ...this.position, revision };
    }
  }

  get favs() {
    return Object.fromEntries([...this.keys].filter(([, counters]) => Object.values(counters).some((count) => count !== 0))
      .map(([key, { favs }]) => [key, favs]));
  }
}

/** Writes while a client follows, and waits until it has the truth; once more after the server was away. */
async function meetsTheTruth(held, another = async () => {}) {
  for (const round of ['followed', 'away', 'back']) {
    if (round === 'away') await stage.killService();
    await stage.sql(`insert into tweet.activity (messageid, action) select 1 + n % 40, 'fav' from generate_series(1, 500) n;
      delete from tweet.activity where messageid = ${round === 'away' ? 11 : 12}`);
    if (round === 'away') await stage.startService();
    if (round === 'away') await another();
    const wanted = await truth();
    const until = Date.now() + deadlineMs;
    while (!isDeepStrictEqual(held.favs, wanted)) {
      if (Date.now() > until) assert.deepEqual(held.favs, wanted, round);
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
  }
}

test('eventsource follows every key, and resumes by itself', async () => {
  const held = new Held();
  const source = new EventSource(`${stage.address}v1/tallies/tweets/events`);
  const ids = [];
  for (const type of ['snapshot', 'change']) {
    source.addEventListener(type, ({ data, lastEventId }) => {
      held.take(type, JSON.parse(data));
      ids.push(lastEventId);
    });
  }
  try {
    await meetsTheTruth(held);
    assert.match(ids.at(-1), /^[0-9a-f-]{36}-\d+$/);
  } finally {
    source.close();
  }
});

test('ws follows every key, and resumes by since', async () => {
  const held = new Held();
  let socket;
  const open = async () => {
    socket = new WebSocket(`${stage.address.replace('http', 'ws')}v1/ws`, 'pgtally.v1');
    socket.on('message', (text) => {
      const { type, ...message } = JSON.parse(String(text));
      held.take(type, message);
    });
    socket.on('error', () => {});
    await new Promise((resolve) => { socket.on('open', resolve); });
    socket.send(JSON.stringify({ type: 'subscribe', id: 'all', tally: 'tweets', ...(held.position && { since: held.position }) }));
  };
  await open();
  await meetsTheTruth(held, open);
  socket.close(1000);
  const [code] = await new Promise((resolve) => { socket.on('close', (...why) => resolve(why)); });
  assert.equal(code, 1000);
});

test('undici streams events with its own parser', async () => {
  const held = new Held();
  const agent = new Agent({ bodyTimeout: 0 });
  let stopped = false;
  const follow = async () => {
    for (let id; !stopped;) {
      try {
        const { body } = await request(`${stage.address}v1/tallies/tweets/events`, { dispatcher: agent, headers: id ? { 'Last-Event-ID': id } : {} });
        let event = {};
        for await (const line of linesOf(body)) {
          const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
          if (line === '' && event.data) held.take(event.event, JSON.parse(event.data));
          if (line === '') event = {};
          else if (field === 'id') id = value;
          else if (field) event[field] = (event[field] ?? '') + value;
        }
      } catch {
        await new Promise((resolve) => { setTimeout(resolve, 20); });
      }
    }
  };
  const done = follow();
  try {
    await meetsTheTruth(held);
  } finally {
    stopped = true;
    await agent.destroy();
    await done;
  }
});

async function* linesOf(body) {
  let rest = '';
  for await (const part of body.setEncoding('utf8')) {
    const lines = (rest + part).split('\n');
    rest = lines.pop();
    yield* lines;
  }
}

test('undici reads by connections that are kept: REST, an action, conditional requests, long polls', async () => {
  let connections = 0;
  const agent = new Agent({ connections: 1, pipelining: 1 });
  agent.on('connect', () => { connections += 1; });
  const ask = async (path, options = {}) => {
    const { statusCode, headers, body } = await request(`${stage.address}v1/tallies/tweets/${path}`, { dispatcher: agent, ...options });
    const text = await body.text();
    return { status: statusCode, headers, json: text ? JSON.parse(text) : null };
  };
  const { json: first, headers } = await ask('keys/33');
  assert.equal((await ask('keys/33', { headers: { 'If-None-Match': headers.etag } })).status, 304);
  const acted = await ask('keys/33/fav', { method: 'POST' });
  assert.equal(acted.status, 201);
  assert.equal(acted.json.counters.favs, first.counters.favs + 1);
  const listed = await ask('keys', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"keys":["33",34]}' });
  assert.equal(listed.json.keys['33'].favs, first.counters.favs + 1);

  const waits = ask(`keys/33?since=${acted.json.epoch}-${acted.json.revision}&wait=20`);
  await stage.sql("insert into tweet.activity (messageid, action) values (33, 'fav')");
  assert.equal((await waits).json.counters.favs, first.counters.favs + 2);
  assert.equal((await ask('top?by=favs&limit=3')).json.top.length, 3);
  assert.equal(connections, 1);
  await agent.close();
});
