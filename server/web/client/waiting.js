/** Handlers of the page, and promises of what comes later. */

/** Calls a handler. If it throws, the exception is reported as uncaught, and the client continues. */
export function call(handler, ...values) {
  try {
    handler?.(...values);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

export function onAbort(signal, run) {
  if (signal?.aborted) run();
  else signal?.addEventListener('abort', run);
}

/**
 * A promise of what `test` returns as { value }; it may throw. It is asked now, and whenever the `listeners` are called,
 * of which this adds one.
 */
export function until(listeners, test, signal) {
  return new Promise((resolve, reject) => {
    const end = (settle, outcome) => {
      listeners.delete(look);
      signal?.removeEventListener('abort', look);
      settle(outcome);
    };
    const look = () => {
      try {
        if (signal?.aborted) throw signal.reason;
        const found = test();
        if (found) end(resolve, found.value);
      } catch (error) {
        end(reject, error);
      }
    };
    signal?.addEventListener('abort', look);
    listeners.add(look);
    look();
  });
}
