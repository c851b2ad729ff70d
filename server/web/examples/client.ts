import { connect } from 'pgtally';

/** One client for the page. Where a server renders there is none, and so no socket. */
export const client = typeof document === 'undefined' ? null : connect({ url: '/v1/ws' });
