import type { SubscriptionState } from './pgtally.js';

/** What an adapter shows: a new object whenever it differs. */
export interface Shown<Value> {
  /** `initial` until the server has said the value. Old values stay while the state is not 'live'. */
  readonly value: Value | undefined;
  readonly state: SubscriptionState;
}

export interface Initial<Value> {
  /** The value to show until the server has said it: what a server that renders the page has read by REST. */
  initial?: Value;
}
