// What happens to pages that are open for days, against the real program: others like too, the database and the server go and
// come back, tabs are hidden, put to sleep, offline, or put aside. Afterwards every number is the truth.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Stage, flags } from './stage.mjs';

const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

const transports = ['websocket', 'sse', 'longpoll'];
const likes = (page, key) => page.waitForFunction((at) => document.querySelector(`.card[data-key="${at}"] [data-hue="favs"] .number`), key)
  .then((number) => number.evaluate(({ textContent }) => Number(textContent.replaceAll(',', ''))));
const shows = (page, key, number) => page.waitForFunction(([at, wanted]) => document
  .querySelector(`.card[data-key="${at}"] [data-hue="favs"] .number`).textContent.replaceAll(',', '') === String(wanted), [key, number]);
const state = (page, name) => page.waitForSelector(`.state[data-state="${name}"]`);
const truth = async (key) => Number((await stage.truth())[key]?.favs ?? 0);

/** A page by each transport: [[transport, page, faults]]. */
async function pages() {
  return Promise.all(transports.map(async (transport) => {
    const { page, faults } = await stage.open({ path: `?transport=${transport}` });
    return [transport, page, faults];
  }));
}

/** Opens pages, runs the test with them, and closes them. */
async function withPages(run) {
  const open = await pages();
  try {
    await run(open.map(([, page]) => page), open);
    assert.deepEqual(open.flatMap(([, , faults]) => faults), []);
  } finally {
    await Promise.all(open.map(([, page]) => page.close()));
  }
}

/**
 * A page that follows key 5 by a client of its own, with these options, and records what it shows: [state, reason, favs] whenever
 * that changes, in `seen`.
 */
async function follow(page, options = {}) {
  await page.evaluate(async (given) => {
    const { connect } = await import('/pgtally.js');
    globalThis.seen = [];
    globalThis.client = connect(given);
    globalThis.one = globalThis.client.value('tweets', 5);
    globalThis.one.listen(() => {
      const { value, state } = globalThis.one;
      globalThis.seen.push([state.state, state.reason, value?.favs]);
    });
    await globalThis.one.ready();
  }, options);
}
const isLiveWith = (page, favs) => page.waitForFunction((wanted) => globalThis.one.state.state === 'live' && globalThis.one.value.favs === wanted, favs);
const seen = (page) => page.evaluate(() => globalThis.seen.splice(0));
const like = (times = 1) => stage.sql(`insert into tweet.activity (messageid, action) select 5, 'fav' from generate_series(1, ${times})`);

test('two browsers see each other\'s likes, by each transport', async () => {
  await stage.sql("insert into tweet.activity (messageid, action) values (5, 'fav')");
  await withPages(async (all, open) => {
    for (const [transport, page] of open) {
      const number = await likes(page, 5) + 1;
      await page.locator('.card[data-key="5"] .plus[data-action="fav"]').click();
      await Promise.all(all.map((other) => shows(other, 5, number)));
      assert.equal(await truth(5), number);
      const words = { websocket: 'WebSocket', sse: 'Server-Sent Events', longpoll: 'long poll' };
      assert.equal(await page.locator('#link').textContent(), `By ${words[transport]}`);
    }
  });
});

test('the database goes and comes back: stale, then the truth, by each transport', async () => {
  await withPages(async (all) => {
    await stage.stopDatabase();
    await Promise.all(all.map((page) => state(page, 'stale')));
    await stage.startDatabase();
    await like(3);
    await Promise.all(all.map((page) => state(page, 'live')));
    const number = await truth(5);
    await Promise.all(all.map((page) => shows(page, 5, number)));
  });
});

test('the server is restarted: disconnected, then the truth, by each transport', async () => {
  await withPages(async (all) => {
    await stage.killService();
    await Promise.all(all.map((page) => state(page, 'disconnected')));
    await like(3);
    await stage.startService();
    await Promise.all(all.map((page) => state(page, 'live')));
    const number = await truth(5);
    await Promise.all(all.map((page) => shows(page, 5, number)));
  });
});

test('a page of another origin is refused with the name of the option, and served when that allows it', async () => {
  const server = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>t</title>'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `http://elsewhere.example:${server.address().port}`;
  const browser = await stage.launch({ args: [...flags, '--host-resolver-rules=MAP elsewhere.example 127.0.0.1'] });
  const ask = async () => {
    const page = await browser.newPage();
    try {
      await page.goto(`${origin}/`);
      return await page.evaluate(async (address) => {
        const { connect } = await import(`${address}pgtally.js`);
        const client = connect();
        const one = client.value('tweets', 5);
        const refused = new Promise((resolve) => {
          one.listen(() => { if (/--allow-origin/.test(client.reason)) resolve(client.reason); });
        });
        const found = await Promise.race([one.ready().then(({ favs }) => favs), refused]);
        client.close();
        return found;
      }, stage.address);
    } finally {
      await page.close();
    }
  };
  assert.equal(await ask(), `the server does not allow pages of ${origin}: see its option --allow-origin`);
  await stage.killService();
  await stage.startService('--allow-origin', origin);
  assert.equal(await ask(), await truth(5));
  await stage.killService();
  await stage.startService();
  await browser.close();
  server.closeAllConnections();
  server.close();
});

test('a hidden page lets go of its connection, and shows nothing old as live when it is back', async () => {
  const { page } = await stage.open();
  await follow(page, { hiddenMs: 50 });
  const hide = (hidden) => page.evaluate((now) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: now });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  const before_ = await truth(5);
  await hide(true);
  await page.waitForFunction(() => globalThis.client.state.state === 'paused');
  await like();
  await seen(page);
  await hide(false);
  await isLiveWith(page, before_ + 1);
  assert.deepEqual((await seen(page)).filter(([name, , favs]) => name === 'live' && favs !== before_ + 1), []);
  await page.close();
});

test('a page that is frozen and resumed shows nothing old as live', async () => {
  const { page } = await stage.open();
  await follow(page);
  const before_ = await truth(5);
  await seen(page);
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  await like();
  await session.send('Page.setWebLifecycleState', { state: 'active' });
  await isLiveWith(page, before_ + 1);
  assert.deepEqual((await seen(page)).filter(([name, , favs]) => name === 'live' && favs !== before_ + 1), []);
  await page.close();
});

test('a process that was stopped asks before it shows anything as live', async () => {
  const browser = await stage.launch(); // whose processes are only ours
  const page = await browser.newPage();
  await page.goto(stage.address);
  await follow(page);
  const before_ = await truth(5);
  await seen(page);
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  for (const id of renderers) process.kill(id, 'SIGSTOP');
  await like();
  await new Promise((resolve) => { setTimeout(resolve, 8_000); }); // what a page takes for sleep: its tick of 4 s is 3 s late
  for (const id of renderers) process.kill(id, 'SIGCONT');
  await isLiveWith(page, before_ + 1);
  const all = await seen(page);
  assert.ok(all.some(([name, reason]) => name === 'disconnected' && reason === 'the page was asleep'), JSON.stringify(all));
  await browser.close();
});

test('offline, and online again', async () => {
  const { page } = await stage.open();
  await follow(page, { transports: ['sse'] });
  const before_ = await truth(5);
  await page.context().setOffline(true);
  await page.waitForFunction(() => globalThis.one.state.state === 'disconnected');
  await like();
  await seen(page);
  await page.context().setOffline(false);
  await isLiveWith(page, before_ + 1);
  assert.deepEqual((await seen(page)).filter(([name, , favs]) => name === 'live' && favs !== before_ + 1), []);
  await page.close();
});

test('back from the page cache, nothing old is live', async () => {
  const browser = await stage.launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  const page = await browser.newPage();
  await page.goto(stage.address);
  await follow(page);
  const before_ = await truth(5);
  await page.evaluate(() => { globalThis.seen.length = 0; addEventListener('pageshow', ({ persisted }) => { globalThis.back = persisted; }); });
  await page.goto(`${stage.address}livez`);
  await like();
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => globalThis.back === true);
  await isLiveWith(page, before_ + 1);
  assert.deepEqual((await seen(page)).filter(([name, , favs]) => name === 'live' && favs !== before_ + 1), []);
  await browser.close();
});
