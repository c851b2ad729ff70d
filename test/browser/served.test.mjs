// The client in a browser against the real program, by each transport: what it reads is what SQL says, and what the server
// refuses is refused by the words of the protocol.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Stage } from './stage.mjs';

const stage = new Stage();
let page;
let faults;

before(() => stage.begin());
after(() => stage.end());
beforeEach(async () => {
  ({ page, faults } = await stage.open());
  await page.evaluate(() => {
    /** Waits until what a subscription has fits, and returns it. */
    globalThis.until = async (subscription, fits) => {
      const end = Date.now() + 20_000;
      while (!fits(subscription)) {
        await new Promise((resolve) => { setTimeout(resolve, 10); });
        if (Date.now() > end) throw new Error(`${fits} never came: ${JSON.stringify([subscription.state, subscription.value])}`);
      }
    };
  });
});
afterEach(async () => {
  await page.close();
  assert.deepEqual(faults, []);
});

/** Runs in the page, with a client of one transport. */
function with_(transport, run, given) {
  return page.evaluate(`(async (given) => {
    const { connect } = await import('/pgtally.js');
    const client = connect({ transports: ['${transport}'] });
    try {
      const late = new Promise((_resolve, reject) => { setTimeout(() => reject(new Error('late: ' + JSON.stringify(client.state) + client.transport)), 25_000); });
      return await Promise.race([(${run})(client, given), late]);
    } finally {
      client.close();
    }
  })(${JSON.stringify(given)})`);
}

const topBySql = async (limit) => (await stage.sql(`select key || '=' || counters[2] from tally.truth('tweets') where counters[2] <> 0
  order by counters[2] desc, key::bigint limit ${limit}`)).split('\n');

for (const transport of ['websocket', 'sse', 'longpoll']) {
  test(`${transport}: top, sum and rank are what SQL says, and follow`, async () => {
    const key = 20;
    const ask = async (client, { key: mine, likes }) => {
      const top = client.top('tweets', { by: 'favs', limit: 5 });
      const sum = client.sum('tweets');
      const rank = client.rank('tweets', { by: 'favs', key: mine, around: 1 });
      const one = client.value('tweets', mine);
      await Promise.all([top, sum, rank, one].map((each) => each.ready()));
      if (likes) {
        const wanted = one.value.favs + likes, all = sum.value.sum.favs + likes;
        for (let like = 0; like < likes; ++like) await client.act('tweets', mine, 'fav');
        if (one.value.favs !== wanted) throw new Error(`${one.value.favs} after the answer, not ${wanted}`);
        await globalThis.until(sum, () => sum.value.sum.favs >= all);
        await globalThis.until(rank, () => rank.value.around.some((row) => row.key === String(mine) && row.counters.favs === wanted));
        await globalThis.until(top, () => top.value.every((row) => row.key !== String(mine) || row.counters.favs === wanted));
      }
      return { top: top.value.map((row) => `${row.key}=${row.counters.favs}`), sum: sum.value, rank: rank.value.rank,
        by: rank.value.by, states: [top, sum, rank, one].map(({ state }) => state.state), transport: client.transport };
    };
    await stage.sql(`insert into tweet.activity (messageid, action) select 1 + n % 9, 'fav' from generate_series(1, 50) n`);
    for (const likes of [3, 0]) { // 0: a new client finds the same
      const found = await with_(transport, ask, { key, likes });
      const [favs, size, place] = (await stage.sql(`with t as (select key, counters[2] as favs, counters from tally.truth('tweets'))
        select (select sum(favs) from t), (select count(*) from t), 1 + count(*) filter (where o.favs > m.favs or (o.favs = m.favs and o.key::bigint < ${key}))
        from t o, t m where m.key = '${key}'`)).split('|').map(Number);
      assert.deepEqual(found.top, await topBySql(5));
      assert.deepEqual([found.sum.sum.favs, found.sum.size], [favs, size]);
      assert.deepEqual(found.rank, { key: String(key), place, of: found.rank.of });
      assert.deepEqual([found.by, found.transport, ...found.states], ['favs', transport, 'live', 'live', 'live', 'live']);
    }
  });

  test(`${transport}: what is refused is refused by its code, and the rest lives`, async () => {
    const found = await with_(transport, async (client) => {
      const errors = [];
      const some = client.subscribe({ tally: 'tweets', keys: ['1', 'abc', '2'] }, { onError: ({ code, keys }) => errors.push(code, ...keys) });
      const values = await some.ready();
      some.track(['007', '3']);
      await globalThis.until(some, () => some.value.has('3'));
      const code = (asked) => asked.ready().then(() => 'live', (error) => error.code);
      const codes = await Promise.all([client.value('nope', 1), client.top('tweets', { by: 'nope' }), client.rank('tweets', { by: 'favs', key: 'x' })].map(code));
      const acts = await Promise.all([['nope', 1, 'fav'], ['tweets', 'abc', 'fav'], ['tweets', 1, 'nope']].map((asked) => client.act(...asked)
        .then(() => 'done', (error) => [error.code, error.status, error.done])));
      return { errors, keys: [...values.keys()], state: some.state.state, codes, acts };
    });
    assert.deepEqual(found, { errors: ['bad_key', 'abc', 'bad_key', '007'], keys: ['1', '2'], state: 'live',
      codes: ['unknown_tally', 'unknown_counter', 'bad_key'],
      acts: [['unknown_tally', 404, false], ['bad_key', 400, false], ['unknown_action', 404, false]] });
  });

  test(`${transport}: 700 named keys, which are too many for one address, are live and follow`, async () => {
    const found = await with_(transport, async (client) => {
      const many = client.subscribe({ tally: 'tweets', keys: [...Array.from({ length: 699 }, (_, at) => 100_000 + at), 20] });
      await many.ready();
      const { counters } = await client.act('tweets', 20, 'fav');
      await globalThis.until(many, () => many.value.get('20').favs === counters.favs);
      return [many.value.size, many.state.state];
    });
    assert.deepEqual(found, [700, 'live']);
  });
}

test('longpoll: every key cannot be followed, and the error says what can', async () => {
  const error = await with_('longpoll', (client) => client.subscribe({ tally: 'tweets' }).ready().catch(({ code, message }) => `${code}: ${message}`));
  assert.match(error, /^not_by_long_poll: .*name keys/);
});

test('300 elements on a page are live through one socket', async () => {
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  const elements = Array.from({ length: 300 }, (_, at) => `<live-counter tally="tweets" item="${at}" counter="favs">–</live-counter>`);
  const body = `<!doctype html><html lang="en"><title>t</title><script type="module" src="pgtally-elements.js"></script>${elements.join('')}
    <live-top tally="tweets" by="favs" limit="3"></live-top>`;
  await stage.addPage('many.html', body);
  await page.goto(`${stage.address}many.html`);
  await page.waitForFunction(() => document.querySelectorAll('live-counter[state=live]').length === 300 && document.querySelector('live-top[state=live]'));
  await stage.sql("insert into tweet.activity (messageid, action) select 30, 'fav' from generate_series(1, 4321)");
  const wanted = new Intl.NumberFormat('en').format((await stage.truth())[30].favs);
  await page.waitForFunction((text) => document.querySelector('[item="30"]').number.textContent === text, wanted);
  await page.waitForFunction((text) => document.querySelector('live-top').root.querySelector('[part=number]').textContent === text, wanted);
  assert.equal(sockets.length, 1);
});
