/**
 * The browser client of pgtally: live counters of a PostgreSQL table. An ES module without dependencies.
 *
 *     import { connect } from 'https://counters.example.org/pgtally.js';
 *
 *     const client = connect();                                  // the server that this file came from
 *     const likes = client.subscribe(
 *       { tally: 'tweets', keys: ['33', '34'] },                 // without keys: every key of the tally
 *       { onChange: (changed, all) => { for (const [key, { favs }] of changed) show(key, favs); },
 *         onState: ({ state, reason }) => { banner.textContent = state === 'live' ? '' : reason; } });
 *     likes.track(['40']);  likes.untrack(['33']);  likes.close();
 *     await client.act('tweets', '33', 'fav');                   // likes has the new number now
 *
 * README.md beside this file is the reference; pgtally.d.ts has the types. A name that ends with _ is internal: it is
 * shortened in the file that the server serves.
 */
import { Client } from './client.js';

export { PgtallyError } from './error.js';
export { parse } from './numbers.js';

// v1/ws beside this file. Written so that bundlers, which resolve `new URL('…', import.meta.url)`, leave it alone.
const besideThisFile = import.meta.url.replace(/[^/]*$/, 'v1/ws');

export function connect(options = {}) {
  return new Client(options, besideThisFile).public_;
}
