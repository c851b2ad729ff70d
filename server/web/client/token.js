/**
 * The token of `getToken`: asked for once, kept until shortly before it ends (the claim `exp` of a JWT, which is read
 * here only to know when to ask again), or until the server refuses it.
 */
export class Token {
  constructor(getToken) {
    this.getToken = getToken;
    this.held = null;
  }

  /** A promise of the token, or of undefined if the page has none. */
  get() {
    if (!this.getToken) return Promise.resolve(undefined);
    if (this.held && this.msLeft() <= 0) this.held = null;
    if (!this.held) {
      const mine = { text: null };
      mine.promise = Promise.resolve().then(this.getToken).then((text) => { mine.text = text; return text ?? undefined; });
      mine.promise.catch(() => { if (this.held === mine) this.held = null; });
      this.held = mine;
    }
    return this.held.promise;
  }

  refused() {
    this.held = null;
  }

  /** How long to use the token still: until 30 s before its end, or halfway if that is sooner. */
  msLeft(now = Date.now()) {
    const { exp, iat } = claimsOf(this.held?.text);
    if (!exp) return Infinity;
    const early = Math.min(30_000, iat ? ((exp - iat) * 1000) / 2 : 30_000);
    return exp * 1000 - early - now;
  }

  async headers() {
    const text = await this.get();
    return text ? { Authorization: `Bearer ${text}` } : {};
  }
}

function claimsOf(text) {
  try {
    return JSON.parse(atob(text.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  } catch {
    return {};
  }
}
