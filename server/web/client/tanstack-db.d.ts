import type { CollectionConfig } from '@tanstack/db';
import type { Client, Key, Refusal, SubscriptionState, TopEntry } from './pgtally.js';

/** A row of the collection: { key, counters }. */
export type Row = TopEntry;

export interface PgtallyCollection extends Partial<Omit<CollectionConfig<Row, string>, 'sync' | 'getKey' | 'schema'>> {
  /** Null where a server renders: the collection then stays empty, and is not ready. */
  client: Client | null | undefined;
  tally: string;
  /** Without keys: every key that is not 0. */
  keys?: Iterable<Key>;
  intervalMs?: number;
  onState?: (state: SubscriptionState) => void;
  onError?: (error: Refusal) => void;
}

/**
 * Options for `createCollection`. The collection subscribes when it starts to sync, and closes when it is cleaned up. It is
 * ready with the first snapshot. Rows are read only: change them by `client.act`, as the mutation of an optimistic action.
 */
export function pgtallyCollectionOptions(options: PgtallyCollection): CollectionConfig<Row, string>;
