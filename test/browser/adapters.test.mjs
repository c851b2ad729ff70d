// React, Svelte, Vue and TanStack DB over the package: the examples, built as their README says, in a browser against the
// real program, under a strict Content-Security-Policy. What they show has to be the truth.
import assert from 'node:assert/strict';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Stage } from './stage.mjs';
import { build, makeWorkshop } from './workshop.mjs';

const stage = new Stage();
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'";
const deadlineMs = 20_000;
let workshop;
let page;
let faults;
let sent; // on WebSockets, each with the socket's number

before(async () => {
  await Promise.all([stage.begin(), buildAll()]);
  for (const name of ['react', 'svelte', 'vue', 'tanstack-db', 'probe']) await cp(join(workshop, 'out', name), join(stage.web, name), { recursive: true });
  await cp(join(workshop, 'plain'), join(stage.web, 'plain'), { recursive: true });
  // Three keys that lead, each by another number.
  await stage.sql(`insert into tweet.activity (messageid, action)
    select key, 'fav' from (values (33, 5000), (34, 4000), (35, 3000)) as v (key, count), generate_series(1, count)`);
});
after(async () => {
  await stage.end();
  if (workshop) await rm(workshop, { recursive: true });
});
afterEach(async () => {
  await page?.close();
  assert.deepEqual(faults, []);
});

async function buildAll() {
  workshop = await makeWorkshop();
  await cp(new URL('probe', import.meta.url), join(workshop, 'probe'), { recursive: true });
  for (const name of ['react', 'svelte', 'vue', 'tanstack-db', 'probe']) {
    const out = join(workshop, 'out', name);
    await build(workshop, name, out);
    const html = await readFile(join(out, 'index.html'), 'utf8');
    const meta = `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">`;
    await writeFile(join(out, 'index.html'), html.replace('<meta charset="utf-8">', meta));
  }
  await build(workshop, 'react', join(workshop, 'out/server'), 'server.tsx');
}

async function open(path, prepare = async () => {}) {
  page = await stage.newPage();
  faults = [];
  sent = [];
  let sockets = 0;
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (said) => { if (['error', 'warning'].includes(said.type())) faults.push(said.text()); });
  page.on('websocket', (socket) => {
    const number = (sockets += 1);
    socket.on('framesent', ({ payload }) => sent.push({ socket: number, ...JSON.parse(payload) }));
  });
  await prepare();
  await page.goto(new URL(path, stage.address).href);
}

/** Waits until the page shows the number of a key and the three that lead, as SQL counts them now. */
async function meetsTheTruth(key = '33', within = 'body') {
  const truth = await stage.truth();
  const lead = Object.entries(truth).sort(([, a], [, b]) => Number(b.favs) - Number(a.favs)).slice(0, 3);
  const wanted = { button: `♥ ${truth[key]?.favs ?? 0}`, list: lead.map(([name, { favs }]) => `${name}: ${favs}`), state: 'live' };
  const until = Date.now() + deadlineMs;
  for (;;) {
    const found = await page.$eval(within, shown);
    if (Date.now() > until) assert.deepEqual(found, wanted);
    if (isDeepStrictEqual(found, wanted)) return;
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
}

// Runs in the page.
const shown = (element) => ({
  button: element.querySelector('button')?.textContent,
  list: [...element.querySelectorAll('li')].map(({ textContent }) => textContent),
  state: element.querySelector('button')?.className,
});

/** What is subscribed on the wire: the numbers of subscriptions that were asked for and not ended. */
function subscribed() {
  const ids = new Set();
  for (const { type, id } of sent) {
    if (type === 'subscribe') ids.add(id);
    if (type === 'unsubscribe') ids.delete(id);
  }
  return ids.size;
}

for (const name of ['plain', 'react', 'svelte', 'vue', 'tanstack-db']) {
  test(`${name} follows changes of the database, an action, and a server that was away`, async () => {
    await open(`${name}/`);
    await meetsTheTruth();
    await stage.sql("insert into tweet.activity (messageid, action) select 33, 'fav' from generate_series(1, 100)");
    await meetsTheTruth();

    const before_ = (await stage.truth())['33'].favs;
    await page.click('button');
    await page.waitForFunction((more) => document.querySelector('button').textContent === `♥ ${more}`, Number(before_) + 1);
    await meetsTheTruth();
    assert.equal((await stage.truth())['33'].favs, String(Number(before_) + 1));
    assert.deepEqual([...new Set(sent.map(({ socket }) => socket))], [1], 'all of it by one socket');

    await stage.killService();
    await stage.sql("delete from tweet.activity where messageid = 35");
    await stage.startService();
    await meetsTheTruth();
    await stage.sql("insert into tweet.activity (messageid, action) select 35, 'fav' from generate_series(1, 3000)");
    await meetsTheTruth();
    faults = faults.filter((text) => !/^(Failed to load resource|WebSocket connection to)/.test(text)); // while it was away
  });
}

for (const name of ['react', 'svelte', 'vue']) {
  test(`a component of ${name} shows another key when it is told to, and leaves nothing subscribed`, async () => {
    await open('probe/');
    const show = (id) => page.evaluate(([framework, key]) => globalThis.show[framework](key), [name, id]);
    await show('33');
    await meetsTheTruth('33', `#${name}`);
    await show('34');
    await meetsTheTruth('34', `#${name}`);
    await stage.sql("insert into tweet.activity (messageid, action) values (34, 'fav')");
    await meetsTheTruth('34', `#${name}`);
    assert.equal(subscribed(), 2);
    await page.evaluate((framework) => globalThis.leave[framework](), name);
    const until = Date.now() + deadlineMs;
    while (subscribed() && Date.now() < until) await page.evaluate(() => new Promise(requestAnimationFrame));
    assert.equal(subscribed(), 0);
  });
}

test('a server renders what it has read, without a socket, and the page takes over without a warning', async () => {
  const told = [];
  const { error } = console;
  console.error = (...words) => told.push(words);
  const { render } = await import(join(workshop, 'out/server/server.js'));
  const html = await render(await readFile(join(stage.web, 'react/index.html'), 'utf8'), stage.address, '33');
  console.error = error;
  assert.deepEqual(told, []);
  await writeFile(join(stage.web, 'react/index.html'), html);
  const { favs } = (await stage.truth())['33'];
  assert.ok(html.includes(`<button class="connecting">♥ ${favs}</button>`), html);

  let release;
  const asked = new Promise((resolve) => {
    void open('react/', () => page.routeWebSocket(/v1\/ws/, (route) => {
      const early = [];
      let server = null;
      route.onMessage((text) => { if (server) server.send(text); else early.push(text); });
      release = () => {
        server = route.connectToServer();
        for (const text of early) server.send(text);
      };
      resolve();
    }));
  });
  await asked; // by an effect, so the page has taken over
  await stage.sql("insert into tweet.activity (messageid, action) values (33, 'fav')");
  assert.equal(await page.textContent('button'), `♥ ${favs}`, 'the number of the server that rendered it');
  release();
  await meetsTheTruth();
});
