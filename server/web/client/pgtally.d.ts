/** A counter: a number while a number is exact, otherwise a BigInt. Add with BigInt(n), print with Intl.NumberFormat. */
export type Count = number | bigint;
export type Counters = Readonly<Record<string, Count>>;
export type Key = string | number | bigint;
export type Values = ReadonlyMap<string, Counters>;

export type TransportName = 'websocket' | 'sse' | 'longpoll';

/** 'waiting': for the next attempt; 'paused': the page is hidden. */
export interface ConnectionState {
  readonly state: 'connecting' | 'open' | 'waiting' | 'paused' | 'closed';
  readonly reason?: string;
  readonly retryInMs?: number;
}

/** The server's state of the tally, or 'connecting' and 'disconnected'. Only 'live' follows the database. */
export interface SubscriptionState {
  readonly state: 'connecting' | 'loading' | 'live' | 'stale' | 'failed' | 'disconnected';
  readonly reason?: string;
  readonly code?: string;
  readonly retryInMs?: number;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** The keys that were refused. */
  readonly keys?: string[];
}

export interface ConnectOptions {
  /** The endpoint …/v1/ws, by ws: or http:. Default: v1/ws beside the script that the server serves. */
  url?: string | URL;
  /** Those to try, in this order. Default: ['websocket', 'sse', 'longpoll']. */
  transports?: TransportName[];
  /** A token for the server. Called again before it ends, and when the server refuses it. */
  getToken?: () => string | null | undefined | Promise<string | null | undefined>;
  onState?: (state: ConnectionState) => void;
  /** Errors that no subscription takes. Default: console.warn. */
  onError?: (error: Refusal) => void;
  /** Pauses between attempts to connect: random, growing. Default: 100 to 10,000. */
  backoffMs?: { min?: number; max?: number };
  /** Silence after which the server is asked; after twice that the client reconnects. Default: 10,000. */
  idleMs?: number;
  /** How long a hidden page stays connected. Default: 30,000; Infinity: always. */
  hiddenMs?: number;
  /** Closes the client. */
  signal?: AbortSignal;
  /** For a runtime without one. */
  WebSocket?: unknown;
  fetch?: typeof globalThis.fetch;
}

export interface Common {
  onState?: (state: SubscriptionState) => void;
  /** The server, or the client, refused these keys. The others live. */
  onError?: (error: Refusal) => void;
  /** Closes the subscription. */
  signal?: AbortSignal;
}

export interface Handlers<Value> extends Common {
  onChange?: (value: Value) => void;
}

export interface KeysHandlers extends Common {
  /** The keys that differ from before, and all. Snapshots call it too. A key that vanished comes once, all counters 0. */
  onChange?: (changed: Values, all: Values) => void;
}

export interface Awaitable<Value> {
  /** What is known: a new object whenever it differs; undefined before the first snapshot. */
  readonly value: Value | undefined;
  readonly state: SubscriptionState;
  /** The value once everything that was asked for is there. Rejected when refused, closed or aborted. */
  ready(options?: { signal?: AbortSignal }): Promise<Value>;
  /** The value after the next change. */
  once(options?: { signal?: AbortSignal }): Promise<Value>;
  /** Called when value or state differ; returns what ends it. For useSyncExternalStore and stores. */
  listen(listener: () => void): () => void;
  close(): void;
  /** The value now, and after each change the newest. Ends when the subscription is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Value, void, undefined>;
}

export interface KeysSubscription extends Awaitable<Values> {
  readonly values: Values;
  track(keys: Iterable<Key>): void;
  untrack(keys: Iterable<Key>): void;
}

export interface TopEntry {
  readonly key: string;
  readonly counters: Counters;
}
export type Top = readonly TopEntry[];

export interface Sum {
  readonly sum: Counters;
  /** How many keys are not 0. */
  readonly size: number;
}

export interface Rank {
  /** `place` is null while the key is 0. */
  readonly rank: { readonly key: string; readonly place: number | null; readonly of: number };
  readonly around: readonly { readonly place: number; readonly key: string; readonly counters: Counters }[];
  readonly by: string;
}

export interface TopRequest {
  by: string;
  limit?: number;
  intervalMs?: number;
}
export interface RankRequest {
  by: string;
  key: Key;
  around?: number;
  intervalMs?: number;
}

export interface Acted {
  /** false: committed, but not yet in the counters. */
  readonly applied: boolean;
  readonly key?: string;
  readonly counters?: Counters;
  readonly epoch?: string;
  readonly revision?: Count;
  readonly state?: string;
  /** For `?at_least=` on any server of the database. */
  readonly position?: string;
}

export interface Client {
  readonly state: ConnectionState;
  /** Null while there is no connection. */
  readonly transport: TransportName | null;
  /** Why there is no connection, or why it is not a WebSocket. */
  readonly reason: string;
  subscribe(request: { tally: string; keys?: Iterable<Key>; intervalMs?: number }, handlers?: KeysHandlers): KeysSubscription;
  subscribe(request: { tally: string; top: { by: string; limit?: number }; intervalMs?: number }, handlers?: Handlers<Top>): Awaitable<Top>;
  value(tally: string, key: Key, handlers?: Handlers<Counters>): Awaitable<Counters>;
  top(tally: string, request: TopRequest, handlers?: Handlers<Top>): Awaitable<Top>;
  sum(tally: string, handlers?: Handlers<Sum>): Awaitable<Sum>;
  rank(tally: string, request: RankRequest, handlers?: Handlers<Rank>): Awaitable<Rank>;
  /** Runs an action; resolved once the answer can be read, which subscriptions then show. Rejected with a PgtallyError. */
  act(tally: string, key: Key, action: string, body?: unknown,
    options?: { signal?: AbortSignal; headers?: Record<string, string> }): Promise<Acted>;
  /** Once connected. */
  ready(options?: { signal?: AbortSignal }): Promise<void>;
  /** Connects now, not after the pause. */
  retry(): void;
  close(): void;
}

export class PgtallyError extends Error {
  readonly code: string;
  readonly status?: number;
  readonly title?: string;
  /** Of an action: false if surely nothing was done; undefined if that is not known. */
  readonly done?: false;
}

export function connect(options?: ConnectOptions): Client;

/** JSON.parse, but integers beyond 2^53 keep their digits. */
export function parse(text: string): unknown;
