// The demo page in a browser, against the real program and a real PostgreSQL. What it shows has to be the truth.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Stage } from './stage.mjs';

const stage = new Stage();
let page;
let faults;
let requests;
let failed;

before(() => stage.begin());
after(() => stage.end());
beforeEach(async () => { ({ page, faults, requests, failed } = await stage.open()); });
afterEach(async () => {
  await page?.close();
  assert.deepEqual(faults, []);
});

const card = (key) => page.locator(`.card[data-key="${key}"]`);
const number = async (key, name) => Number((await card(key).locator(`[data-hue="${name}"] .number`).textContent()).replaceAll(',', ''));

/** Waits until every number of the page, and the sums, are what SQL counts now; says what differs if they never are. */
async function meetsTheTruth() {
  const truth = await stage.truth();
  try {
    await page.waitForFunction(differences, { truth });
  } catch {
    assert.deepEqual(await page.evaluate(differences, { truth, list: true }), []);
    throw new Error('the page met the truth, but later than it should have');
  }
}

// Runs in the page.
function differences({ truth, list = false }) {
  const plain = (element) => element.textContent.replaceAll(',', '');
  const found = [];
  const keys = new Set();
  for (const shown of document.querySelectorAll('.card')) {
    const { key } = shown.dataset;
    keys.add(key);
    for (const name of ['rts', 'favs']) {
      const value = plain(shown.querySelector(`[data-hue="${name}"] .number`));
      const wanted = truth[key]?.[name] ?? '0';
      if (value !== wanted) found.push(`${key}.${name} shows ${value}, is ${wanted}`);
    }
  }
  for (const key of Object.keys(truth)) if (!keys.has(key)) found.push(`${key} is not shown`);
  for (const name of ['rts', 'favs']) {
    const sum = String(Object.values(truth).reduce((total, counters) => total + BigInt(counters[name]), 0n));
    const value = plain(document.querySelector(`#sums [data-hue="${name}"] dd`));
    if (value !== sum) found.push(`the sum of ${name} shows ${value}, is ${sum}`);
  }
  return list ? found : found.length === 0;
}

const state = (name) => page.waitForSelector(`.state[data-state="${name}"]`);

test('shows every message with its author, as text whatever it holds', async () => {
  const messages = Number(await stage.sql('select count(*) from tweet.message'));
  assert.equal(await page.locator('.card').count(), messages);
  const [key, author, text] = (await stage.sql(
    "select messageid, uname, message from tweet.message join tweet.users using (userid) where message like '<img%'")).split('|');
  assert.equal(await card(key).locator('.words').textContent(), text);
  assert.equal(await card(key).locator('.who strong').textContent(), author);
  assert.equal(await page.locator('.card img').count(), 0);
  await meetsTheTruth();
});

test('sends requests only to its own server', () => {
  assert.ok(requests.length > 3);
  assert.deepEqual(requests.filter((url) => !url.startsWith(stage.address)), []);
});

test('no request fails, of a tally without texts neither', async () => {
  await stage.sql("select tally.create_tally('plain', 'tweet.activity', 'messageid')");
  await page.waitForFunction(async () => (await (await fetch('v1/tallies')).json()).tallies.some(({ name, state }) => name === 'plain' && state === 'live'));
  await page.goto(`${stage.address}#plain`);
  await page.reload();
  await page.waitForFunction(() => document.title.startsWith('plain'));
  await page.waitForSelector('.state[data-state="live"]');
  assert.deepEqual(failed, []);
  await stage.sql("select tally.drop_tally('plain')");
});

test('says how it is connected', async () => {
  assert.equal(await page.locator('#link').textContent(), 'By WebSocket');
});

test('two subscriptions of the page are one on the wire, and a new number is there when the action resolves', async () => {
  const found = await page.evaluate(async () => {
    const { connect } = await import('/pgtally.js');
    const client = connect();
    const all = Array.from({ length: 300 }, (_, at) => client.value('tweets', 40 + (at % 7)));
    await Promise.all(all.map((one) => one.ready()));
    const before = all[0].value.favs;
    const { counters } = await client.act('tweets', 40, 'fav');
    const after = all[0].value.favs;
    client.close();
    return { grown: after - before, same: counters.favs === after, live: all.every(({ state }) => state.state === 'live') };
  });
  assert.deepEqual(found, { grown: 1, same: true, live: true });
  await meetsTheTruth();
});

test('no digit is lost on the way into the browser', async () => {
  const found = await page.evaluate(async () => {
    const { parse } = await import('/pgtally.js');
    const { a, b, c } = parse('{"a":9007199254740993,"b":[-9223372036854775808,"9007199254740993"],"c":9007199254740991}');
    return [a, ...b, c].map((value) => `${typeof value} ${value}`);
  });
  assert.deepEqual(found, ['bigint 9007199254740993', 'bigint -9223372036854775808', 'string 9007199254740993', 'number 9007199254740991']);
});

test('a row that is inserted moves its number', async () => {
  const before_ = await number(3, 'favs');
  await stage.sql("insert into tweet.activity (messageid, action) select 3, 'fav' from generate_series(1, 1234)");
  await meetsTheTruth();
  assert.equal(await number(3, 'favs'), before_ + 1234);
  assert.match(await card(3).locator('[data-hue="favs"] .number').textContent(), /\d,\d{3}/);
});

test('a key that appears while the page is open is shown, and its label when that arrives', async () => {
  const key = await stage.sql("insert into tweet.message (userid, message) values (1, 'New here.') returning messageid");
  await stage.sql(`insert into tweet.activity (messageid, action) values (${key}, 'fav')`);
  await page.waitForSelector(`.card.bare[data-key="${key}"]`);
  await stage.writeLabels();
  await page.waitForSelector(`.card:not(.bare)[data-key="${key}"]`);
  assert.equal(await card(key).locator('.words').textContent(), 'New here.');
  assert.equal(await number(key, 'favs'), 1);
  await meetsTheTruth();
});

test('whatever is done to the rows, the page shows what they add up to', async () => {
  for (let round = 0; round < 10; ++round) {
    await stage.sql(`
      insert into tweet.activity (messageid, action)
        select 1 + (random() * 40)::int, (enum_range(null::tweet.action_t))[1 + (random() * 3)::int] from generate_series(1, 200);
      update tweet.activity set messageid = 1 + (random() * 40)::int where random() < 0.1;
      delete from tweet.activity where random() < 0.1;
      begin; insert into tweet.activity (messageid, action) values (1, 'rt'); rollback;`);
  }
  await meetsTheTruth();
  await stage.sql('truncate tweet.activity');
  await meetsTheTruth();
  assert.equal(await number(3, 'favs'), 0);
});

test('the buttons like, retweet, and take back', async () => {
  const rows = async (action) => Number(await stage.sql(`select count(*) from tweet.activity where messageid = 5 and action = '${action}'`));
  for (const [label, action] of [['Like', 'fav'], ['Retweet', 'rt'], ['Take a like back', 'de-fav'], ['Take a retweet back', 'de-rt']]) {
    const was = await rows(action);
    await card(5).getByRole('button', { name: new RegExp(`^${label}\\b(?! back)`) }).first().click();
    await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
    assert.equal(await rows(action), was + 1, action);
    await meetsTheTruth();
  }
});

test('a button works by keyboard, and the arrows lead to the next card', async () => {
  await page.locator('.card').first().locator('.plus[data-action="fav"]').focus();
  await page.keyboard.press('ArrowDown');
  const key = await page.evaluate(() => document.activeElement.closest('.card').dataset.key);
  assert.equal(key, await page.locator('.card').nth(1).getAttribute('data-key'));
  const was = await number(key, 'favs');
  await page.keyboard.press('Enter');
  await page.waitForFunction(([at, before_]) => Number(document
    .querySelector(`.card[data-key="${at}"] [data-hue="favs"] .number`).textContent.replaceAll(',', '')) === before_ + 1, [key, was]);
  await meetsTheTruth();
});

test('an action that the database refuses says why, and no number moves', async () => {
  await stage.sql("alter table tweet.activity add constraint calm check (action <> 'rt') not valid");
  try {
    await card(7).locator('.plus[data-action="rt"]').click();
    const toast = page.locator('.toast');
    await toast.waitFor();
    assert.match(await toast.textContent(), /calm/);
    await toast.getByRole('button').click();
    assert.equal(await toast.count(), 0);
    await meetsTheTruth();
  } finally {
    await stage.sql('alter table tweet.activity drop constraint calm');
  }
});

test('my place is the rank of the chosen card, live, and goes when it is closed', async () => {
  const placed = (text) => page.waitForFunction((wanted) => document.querySelector('#place .reason')?.textContent === wanted, text);
  const rankOf = async (key) => (await stage.sql(`select 'is number ' || 1 + count(*) filter (where t.counters[2] > m.counters[2]
    or (t.counters[2] = m.counters[2] and t.key::bigint < m.key::bigint)) || ' of ' || count(*) || ' by likes'
    from tally.truth('tweets') t, tally.truth('tweets') m where m.key = '${key}' and t.counters <> '{0,0}'`)).trim();
  await stage.sql("insert into tweet.activity (messageid, action) select 1 + n % 12, 'fav' from generate_series(1, 30) n");
  await card(8).hover();
  await card(8).getByRole('button', { name: 'My place' }).click();
  await placed(await rankOf(8));
  assert.equal(await page.locator('#place li.me').count(), 1);
  await stage.sql("insert into tweet.activity (messageid, action) select 8, 'fav' from generate_series(1, 20000)");
  await placed(await rankOf(8));
  assert.match(await page.locator('#place .reason').textContent(), /^is number 1 of/);
  await page.getByRole('button', { name: 'Close my place' }).click();
  assert.equal(await page.locator('#place').isVisible(), false);
});

test('the order follows the numbers', async () => {
  const leader = '9';
  await stage.sql(`insert into tweet.activity (messageid, action) select ${leader}, 'rt' from generate_series(1, 5000)`);
  await page.getByRole('button', { name: 'Most retweeted' }).click();
  await page.waitForFunction((key) => document.querySelector('.card').dataset.key === key, leader);
  await stage.sql("insert into tweet.activity (messageid, action) select 2, 'rt' from generate_series(1, 9000)");
  await page.waitForFunction(() => document.querySelector('.card').dataset.key === '2');
  await page.getByRole('button', { name: 'In order' }).click();
  assert.equal(await page.locator('.card').first().getAttribute('data-key'), '1');
  await page.getByPlaceholder('Find').fill('lion');
  await page.waitForFunction(() => [...document.querySelectorAll('.card')].every((shown) => /lion/i.test(shown.textContent)));
  assert.ok(await page.locator('.card').count() > 0);
});

test('while PostgreSQL is away the page says stale, and it is right again when it is back', async () => {
  await stage.stopDatabase();
  await state('stale');
  assert.equal(await page.locator('#list').getAttribute('data-old'), 'true');
  assert.notEqual(await page.locator('#state-reason').textContent(), '');
  await stage.startDatabase();
  await stage.sql("insert into tweet.activity (messageid, action) select 11, 'fav' from generate_series(1, 7)");
  await state('live');
  assert.equal(await page.locator('#list').getAttribute('data-old'), 'false');
  await meetsTheTruth();
});

test('while the service is away the page says so, and it is right again when it is back', async () => {
  await stage.killService();
  await state('disconnected');
  await stage.sql("insert into tweet.activity (messageid, action) select 12, 'rt' from generate_series(1, 3)");
  await stage.sql('delete from tweet.activity where messageid = 2');
  await page.locator('.plus[data-action="fav"]').first().click();
  await page.locator('.toast').waitFor();
  await stage.startService();
  await state('live');
  await meetsTheTruth();
});
