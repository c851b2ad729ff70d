import type { MaybeRefOrGetter, ShallowRef } from 'vue';
import type { Client, Counters, Key, Rank, RankRequest, SubscriptionState, Sum, Top, TopRequest } from './pgtally.js';
import type { Initial } from './store.js';
export type { Initial } from './store.js';

export interface Followed<Value> {
  /** `initial` until the server has said the value. Old values stay while the state is not 'live'. */
  readonly value: Readonly<ShallowRef<Value | undefined>>;
  readonly state: Readonly<ShallowRef<SubscriptionState>>;
}

type MaybeClient = MaybeRefOrGetter<Client | null | undefined>;

/**
 * The counters of a key. A composable subscribes when its component is mounted, or at once in an effect scope without a
 * component, and closes with the scope. The client is null where a server renders: the value is then `initial`.
 */
export function useCounter(client: MaybeClient, tally: MaybeRefOrGetter<string>, key: MaybeRefOrGetter<Key>,
  options?: MaybeRefOrGetter<Initial<Counters> | undefined>): Followed<Counters>;
/** The keys with the most. */
export function useTop(client: MaybeClient, tally: MaybeRefOrGetter<string>, request: MaybeRefOrGetter<TopRequest & Initial<Top>>): Followed<Top>;
/** The sums over all keys. */
export function useSum(client: MaybeClient, tally: MaybeRefOrGetter<string>, options?: MaybeRefOrGetter<Initial<Sum> | undefined>): Followed<Sum>;
/** A key's place, and its neighbours. */
export function useRank(client: MaybeClient, tally: MaybeRefOrGetter<string>, request: MaybeRefOrGetter<RankRequest & Initial<Rank>>): Followed<Rank>;
