/** What bounds the client. Those of the server are those that it refuses more of. */
export const limits = {
  keys: 10_000, // of one tally on one page: the server's for a subscription
  keyBytes: 512, // a longer key is never counted
  messageBytes: 1_000_000, // the server takes 1 MiB
  urlBytes: 6_000, // of the keys in one address, by Server-Sent Events and long poll: proxies take 8 KiB at least
  streams: 4, // requests that wait at a time: browsers keep 6 connections to a server by HTTP/1.1
  eventBytes: 2 ** 26, // of one event in a stream
  openMs: 10_000, // for a connection to open
  firstEventMs: 8_000, // for a stream's first bytes, which some proxies hold back
  wakeMs: 2_500, // for the answer of a link that was asked because the page woke up
  blockedMs: 250, // between the error and the close of a socket: a browser that blocks it sends no close
  pollSeconds: 20, // that a long poll waits
  fallbackMs: 300_000, // before a better transport is tried again
};
