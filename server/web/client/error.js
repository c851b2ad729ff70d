/**
 * What a promise of the client is rejected with: `code` is for programs (the server's, or 'unreachable', 'closed'),
 * `message` for people, `status` the HTTP status if there was an answer.
 */
export class PgtallyError extends Error {
  constructor(code, message, more) {
    super(message);
    this.name = 'PgtallyError';
    this.code = code;
    Object.assign(this, more);
  }
}

/** The error in an answer that is not 2xx: RFC 9457, or the words of a proxy in between. */
export async function problemOf(response) {
  const { status } = response;
  const { code = 'http_error', detail = `the server answered ${status}`, title, key } = await response.json().catch(() => ({}));
  return new PgtallyError(code, detail, { status, title, key });
}
