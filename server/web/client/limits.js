/** What bounds the client. Those of the server are those that it refuses more of. */
export const keysMax = 10_000; // of one tally on one page: the server's for a subscription
export const keyBytesMax = 512; // a longer key is never counted
export const messageBytesMax = 1_000_000; // the server takes 1 MiB
export const urlBytesMax = 6_000; // of the keys in one address: proxies take 8 KiB at least
export const requestsMax = 4; // that wait at a time: browsers keep 6 connections to a server by HTTP/1.1
export const eventBytesMax = 2 ** 26; // of one event in a stream
export const openMs = 10_000; // for a connection to open
export const firstMs = 8_000; // for the first bytes of an answer, which some proxies hold back
export const streamMs = 40_000; // of silence in a stream: the server sends something every 15 s
export const wakeMs = 2_500; // for the answer of a link that was asked because the page woke up
export const blockedMs = 250; // between the error and the close of a socket: a browser that blocks it sends no close
export const pollS = 20; // that a long poll waits
export const fallbackMs = 300_000; // before a better transport is tried again
