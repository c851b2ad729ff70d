/**
 * The token of `getToken`: asked for once, kept until shortly before it ends (the claim `exp` of a JWT, which is read
 * here only to know when to ask again), or until the server refuses it.
 */
export class Token {
  held_ = null; // { promise, text }

  constructor(getToken) {
    this.getToken_ = getToken;
  }

  /** A promise of the token, or of undefined if the page has none. */
  get_() {
    if (this.msLeft_() <= 0) this.refused_();
    if (!this.held_ && this.getToken_) {
      const mine = {};
      mine.promise = (async () => {
        try {
          return mine.text = await this.getToken_();
        } catch (error) {
          if (this.held_ === mine) this.refused_();
          throw error;
        }
      })();
      this.held_ = mine;
    }
    return this.held_?.promise;
  }

  refused_() {
    this.held_ = null;
  }

  /** How long to use the token still: until 30 s before its end, or halfway if that is sooner. */
  msLeft_() {
    try {
      const { exp, iat = -Infinity } = JSON.parse(atob(this.held_.text.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
      return exp ? exp * 1000 - Math.min(30_000, (exp - iat) * 500) - Date.now() : Infinity;
    } catch {
      return Infinity; // no token, or one that only the server can read
    }
  }
}

/** A request below v1/, with the token; when that is refused, which does nothing, once more with a fresh one. */
export async function request({ base, fetch, token_ }, path, options) {
  for (let again = Boolean(token_.getToken_); ; again = false) {
    const text = await token_.get_();
    const headers = { ...options.headers, ...(text && { Authorization: `Bearer ${text}` }) };
    const response = await fetch(base + path, { ...options, headers });
    if (response.status !== 401 || !again) return response;
    token_.refused_();
  }
}
