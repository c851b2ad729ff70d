import type { Client, Counters, Key, Rank, RankRequest, Sum, Top, TopRequest } from './pgtally.js';
import type { Initial, Shown } from './store.js';
export type { Initial, Shown } from './store.js';

/**
 * The counters of a key. Hooks subscribe when their component is mounted, and close when it is unmounted; any number of
 * them is one subscription on the wire. The client is null where a server renders: the value is then `initial`.
 */
export function useCounter(client: Client | null | undefined, tally: string, key: Key, options?: Initial<Counters>): Shown<Counters>;
/** The keys with the most. */
export function useTop(client: Client | null | undefined, tally: string, request: TopRequest & Initial<Top>): Shown<Top>;
/** The sums over all keys. */
export function useSum(client: Client | null | undefined, tally: string, options?: Initial<Sum>): Shown<Sum>;
/** A key's place, and its neighbours. */
export function useRank(client: Client | null | undefined, tally: string, request: RankRequest & Initial<Rank>): Shown<Rank>;
