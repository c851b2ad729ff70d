// The example of two people, with the login of the demo: real sessions, real tokens, a real server.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Login } from './login.mjs';
import { Stage } from './stage.mjs';

const secret = 'a secret of the test, of 32 bytes or more';
const stage = new Stage();
let folder;
let login;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgtally-people-'));
  await writeFile(join(folder, 'secret'), secret);
  await stage.begin({ files: ['4-people'], options: ['--auth-key', join(folder, 'secret'), '--public', 'tweets'] });
  login = await new Login(stage.address, join(folder, 'secret')).begin();
});
after(async () => {
  await login?.end();
  await stage.end();
  await rm(folder, { recursive: true, force: true });
});

/** A window of its own, in which nobody is logged in yet. `fast`: a clock that is wrong by so many ms. */
async function open({ address = login.address, fastMs = 0 } = {}) {
  const page = await stage.newPage();
  Object.assign(page, { faults: [], sockets: [], told: [] });
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (said) => { if (said.type() === 'error') page.faults.push(said.text()); });
  page.on('websocket', (socket) => {
    page.sockets.push(socket);
    socket.on('framereceived', ({ payload }) => page.told.push(JSON.parse(payload)));
  });
  await page.addInitScript((ms) => { const now = Date.now; Date.now = () => now() + ms; }, fastMs);
  await page.goto(address);
  await live(page);
  return page;
}

async function openAs(name, options) {
  const page = await open(options);
  await page.getByRole('button', { name, exact: true }).click();
  await page.getByText(`You are ${name}.`).waitFor();
  await live(page);
  return page;
}

const live = (page) => page.waitForSelector('#list[data-state="live"] li');
const heart = (page, message) => page.locator(`button[value="${message}"]`);
const click = (page, message) => heart(page, message).click();

/** Waits until the page shows this heart and this number: ['♥' or '♡', number]. */
const shows = (page, message, [shape, number]) => page.waitForFunction(([key, pressed, text]) => {
  const button = document.querySelector(`button[value="${key}"]`);
  return button.ariaPressed === pressed && button.nextElementSibling.textContent === text;
}, [message, String(shape === '♥'), String(number)]);
const filled = (page) => page.locator('li button[aria-pressed="true"]').count();
const liked = async (message) => Number((await stage.truth())[message]?.favs ?? 0);

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function forge(read, by = secret) {
  const text = `${part({ alg: 'HS256' })}.${part({ exp: Math.floor(Date.now() / 1000) + 60, pgtally: { read, act: ['*.*'] } })}`;
  return `${text}.${createHmac('sha256', by).update(text).digest('base64url')}`;
}

async function answer(path, { token, ...options } = {}) {
  const response = await fetch(`${stage.address}v1/tallies${path}`, { ...options, headers: token && { Authorization: `Bearer ${token}` } });
  const { code, ...body } = await response.json();
  return { status: response.status, code, body };
}

test('with nobody logged in the page shows what everybody likes, and says so calmly', async () => {
  const page = await open();
  assert.match(await page.locator('#who').textContent(), /^Nobody is logged in/);
  assert.equal(await page.locator('li button:enabled').count(), 0);
  assert.equal(await filled(page), 0);
  await stage.sql("insert into tweet.activity (messageid, action) values (1, 'fav')");
  await shows(page, 1, ['♡', await liked(1)]);
  assert.equal(await page.locator('#trouble').textContent(), '');
  assert.deepEqual(page.faults, []);
  await page.close();
});

test('the private tally is not there for who may not read it', async () => {
  const listed = async (options) => (await answer('', options)).body.tallies.map(({ name }) => name);
  const refusal = async (...values) => { const { status, code } = await answer(...values); return [status, code]; };
  const like = '/mine/actions/like?key=u4%2F1';
  assert.deepEqual(await listed(), ['tweets']);
  assert.deepEqual(await refusal('/mine/keys?key=u4%2F1'), [401, 'unauthorized']);
  assert.deepEqual(await refusal(like, { method: 'POST' }), [401, 'unauthorized']);
  const other = forge(['daily']);
  assert.deepEqual(await listed({ token: other }), ['daily', 'tweets']);
  assert.deepEqual(await refusal('/mine/keys?key=u4%2F1', { token: other }), [404, 'unknown_tally']);
  assert.deepEqual(await refusal(like, { method: 'POST', token: other }), [404, 'unknown_tally']);

  const { token } = await login.as('u5');
  assert.deepEqual(await refusal('/mine/keys?key=u5%2F1', { token }), [200, undefined]);
  assert.deepEqual(await refusal('/mine/keys?key=u4%2F1', { token }), [403, 'not_allowed']);
  assert.deepEqual(await refusal(like, { method: 'POST', token }), [403, 'not_allowed']);
  assert.deepEqual(await refusal('/mine', { token }), [403, 'not_allowed']);
  assert.equal(await stage.sql('select count(*) from tweet.liked'), '0');
});

test('two people see the same numbers, and their own hearts', async () => {
  const hermia = await openAs('Hermia');
  const lysander = await openAs('Lysander');
  const had = await liked(3);
  await click(hermia, 3);
  await shows(hermia, 3, ['♥', had + 1]);
  await shows(lysander, 3, ['♡', had + 1]);
  assert.deepEqual([await filled(hermia), await filled(lysander)], [1, 0]);
  await click(lysander, 3);
  await shows(lysander, 3, ['♥', had + 2]);
  await shows(hermia, 3, ['♥', had + 2]);
  await click(hermia, 3);
  await shows(hermia, 3, ['♡', had + 1]);
  await shows(lysander, 3, ['♥', had + 1]);
  assert.equal(await liked(3), had + 1);
  await hermia.evaluate(await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8'));
  const { violations } = await hermia.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), []);
  assert.equal(await stage.sql("select string_agg(userid || '/' || messageid, ' ') from tweet.liked"), '5/3');

  // A like that is there already, from another window, counts once; so does its withdrawal.
  const { token } = await login.as('u5');
  const act = async (action) => (await answer(`/mine/actions/${action}?key=u5%2F3`, { method: 'POST', token })).body.counters.likes;
  assert.deepEqual([await act('like'), await act('like')], [1, 1]);
  assert.equal(await liked(3), had + 1);
  assert.deepEqual([await act('unlike'), await act('unlike')], [0, 0]);
  await shows(lysander, 3, ['♡', had]);
  await shows(hermia, 3, ['♡', had]);
  assert.equal(await liked(3), had);
  assert.deepEqual([hermia.faults, lysander.faults], [[], []]);
  await hermia.close();
  await lysander.close();
});

test('a reload keeps who one is; the end of the login empties the hearts', async () => {
  const page = await openAs('Hermia');
  const had = await liked(4);
  await click(page, 4);
  await shows(page, 4, ['♥', had + 1]);
  await page.reload();
  await page.getByText('You are Hermia.').waitFor();
  await shows(page, 4, ['♥', had + 1]);

  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByText('Nobody is logged in.').waitFor();
  await shows(page, 4, ['♡', had + 1]);
  assert.deepEqual([await filled(page), await page.locator('li button:enabled').count()], [0, 0]);
  await page.reload();
  await page.getByText('Nobody is logged in.').waitFor();
  await shows(page, 4, ['♡', had + 1]);

  await page.getByRole('button', { name: 'Lysander', exact: true }).click();
  await page.getByText('You are Lysander.').waitFor();
  await live(page);
  assert.equal(await heart(page, 4).getAttribute('aria-pressed'), 'false');
  assert.deepEqual(page.faults, []);
  await page.close();
});

/** Notes from now on whenever the numbers of the page are not live. */
const watch = (page) => page.evaluate(() => {
  const list = document.getElementById('list');
  globalThis.pale = [];
  new MutationObserver(() => { if (list.dataset.state !== 'live') globalThis.pale.push(list.dataset.state); }).observe(list, { attributes: true });
});

async function eventually(what) {
  const until = Date.now() + 30_000;
  while (!what()) {
    assert.ok(Date.now() < until, `not in time: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

test('tokens are renewed before they end, and nothing is interrupted', async () => {
  // The server takes a token for 30 s more than it says, because clocks differ. By clocks that are 28 s behind, 4 s are 6.
  const behind = await new Login(stage.address, join(folder, 'secret')).begin({ behindS: 28, tokenSeconds: 4 });
  try {
    const page = await openAs('Hermia', { address: behind.address, fastMs: -28_000 });
    const ends = () => page.told.filter(({ type }) => type === 'authenticated').map(({ until }) => until);
    await watch(page);
    const { length: sockets } = page.sockets;
    await eventually(() => Date.now() / 1000 > ends()[0] + 31); // the first token is over, for the server too
    const had = await liked(5);
    await click(page, 5);
    await shows(page, 5, ['♥', had + 1]);
    assert.ok(ends().length > 1 && ends().at(-1) > ends()[0], String(ends()));
    assert.deepEqual(page.told.filter(({ type }) => type === 'unsubscribed' || type === 'error'), []);
    assert.deepEqual(await page.evaluate(() => globalThis.pale), []);
    assert.equal(page.sockets.length, sockets);
    assert.deepEqual(page.faults, []);

    // A session that ended elsewhere is noticed at the next renewal.
    await page.context().clearCookies();
    await page.getByText('Nobody is logged in.').waitFor();
    await shows(page, 5, ['♡', had + 1]);
    await page.close();
  } finally {
    await behind.end();
  }
});

test('a forged token is refused, and a right one heals the page', async () => {
  const wrong = forge([{ tally: 'mine', prefix: 'u4/' }], 'another secret, that the server does not have');
  const { status, code, body } = await answer('/mine/keys?key=u4%2F1', { token: wrong });
  assert.deepEqual([status, code, body.detail], [401, 'unauthorized', "the token's signature is wrong"]);

  const page = await openAs('Hermia');
  await page.route('**/token', (route) => route.fulfill({ json: { person: 'u4', name: 'Hermia', token: wrong } }));
  await page.reload();
  await page.getByText("the server refused the token: the token's signature is wrong").waitFor();
  assert.equal(await filled(page), 0);
  await page.unroute('**/token');
  await live(page);
  const had = await liked(6);
  await click(page, 6);
  await shows(page, 6, ['♥', had + 1]);
  await page.close();
});
