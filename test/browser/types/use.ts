// Compiled by tsc --strict: what a program may write, and what it may not.
import { connect, PgtallyError, type Client, type Counters, type Top } from '../../../server/web/client/pgtally.js';

const client: Client = connect({ url: new URL('https://example.org/v1/ws'), getToken: async () => 'token', transports: ['websocket', 'sse'] });

const likes = client.subscribe({ tally: 'tweets', keys: [33, '34', 35n] }, {
  onChange: (changed, all) => { for (const [key, { favs }] of changed) console.log(key, favs, all.size); },
  onState: ({ state, reason }) => console.log(state, reason),
  onError: ({ keys }) => console.log(keys?.join()),
});
likes.track(new Set(['40']));
const all: ReadonlyMap<string, Counters> = likes.values;
// @ts-expect-error: the Map is not ours to change
likes.values.set('1', {});
// @ts-expect-error: one key is no list
likes.track(40);
// @ts-expect-error: no such transport
connect({ transports: ['smoke'] });
// @ts-expect-error: a list has no keys to track
client.top('tweets', { by: 'favs' }).track(['1']);

export async function read(signal: AbortSignal): Promise<Top> {
  for await (const { favs } of client.value('tweets', 33)) if (typeof favs === 'bigint') break;
  try {
    const { applied, counters } = await client.act('tweets', '33', 'fav', { by: 'me' }, { signal });
    if (applied) console.log(counters?.favs, all);
  } catch (error) {
    if (error instanceof PgtallyError && error.done === false) console.log(error.code);
  }
  const { sum, size } = await client.sum('tweets').ready();
  const { rank } = await client.rank('tweets', { by: 'favs', key: 33, around: 2 }).once({ signal });
  console.log(sum.favs, size, rank.place ?? 'none');
  return client.top('tweets', { by: 'favs', limit: 10 }).ready({ signal });
}
