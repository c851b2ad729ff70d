import type { Client } from './pgtally.js';

/** Makes the elements use this client. Call it before the first element is in the page. */
export function useClient(client: Client, server?: string): void;

/** `<live-counter tally item counter notation server>`; its attribute `state` is the subscription's. */
export class LiveCounter extends HTMLElement {}

/** `<live-top tally by limit notation server>`. */
export class LiveTop extends HTMLElement {
  /** Makes the text of a key; by default the key itself. */
  label: (key: string) => string;
}

declare global {
  interface HTMLElementTagNameMap {
    'live-counter': LiveCounter;
    'live-top': LiveTop;
  }
}
