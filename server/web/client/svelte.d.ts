import type { Client, Counters, Key, Rank, RankRequest, Sum, Top, TopRequest } from './pgtally.js';
import type { Initial, Shown } from './store.js';
export type { Initial, Shown } from './store.js';

/** Svelte's store contract. It subscribes at the server while it has subscribers. */
export interface Store<Value> {
  subscribe(run: (shown: Shown<Value>) => void): () => void;
}

/** The counters of a key. The client is null where a server renders: the value is then `initial`. */
export function counter(client: Client | null | undefined, tally: string, key: Key, options?: Initial<Counters>): Store<Counters>;
/** The keys with the most. */
export function top(client: Client | null | undefined, tally: string, request: TopRequest & Initial<Top>): Store<Top>;
/** The sums over all keys. */
export function sum(client: Client | null | undefined, tally: string, options?: Initial<Sum>): Store<Sum>;
/** A key's place, and its neighbours. */
export function rank(client: Client | null | undefined, tally: string, request: RankRequest & Initial<Rank>): Store<Rank>;
