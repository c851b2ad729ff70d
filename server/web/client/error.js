/**
 * What a promise of the client is rejected with: `code` is for programs (the server's, or 'unreachable', 'closed'),
 * `message` for people, `status` the HTTP status if there was an answer.
 */
export class PgtallyError extends Error {
  constructor(code, message, more = {}) {
    super(message);
    this.name = 'PgtallyError';
    this.code = code;
    Object.assign(this, more);
  }
}

/** The error in an answer that is not 2xx: RFC 9457, or the words of a proxy in between. */
export async function problemOf(response) {
  const { code, detail, title, key } = await response.json().catch(() => ({}));
  const words = detail ?? `the server answered ${response.status} ${response.statusText}`.trim();
  return new PgtallyError(code ?? 'http_error', words, { status: response.status, title, key });
}

/** Calls a handler. If it throws, the exception is reported as uncaught, and the client continues. */
export function call(handler, ...values) {
  try {
    handler?.(...values);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}
