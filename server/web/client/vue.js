/**
 * Vue composables: `import { useCounter } from 'pgtally/vue'`. Arguments may be refs or getters: what they ask then follows
 * them. In a component they subscribe when it is mounted, so a server that renders opens nothing.
 */
import { computed, getCurrentInstance, onMounted, onScopeDispose, shallowRef, toValue, watch } from 'vue';
import { counterStore, rankStore, sumStore, topStore } from './store.js';

export function useCounter(client, tally, key, options) {
  return follow(() => counterStore(toValue(client), toValue(tally), toValue(key), toValue(options)?.initial));
}

export function useTop(client, tally, request) {
  return follow(() => withInitial(topStore, client, tally, request));
}

export function useSum(client, tally, options) {
  return follow(() => sumStore(toValue(client), toValue(tally), toValue(options)?.initial));
}

export function useRank(client, tally, request) {
  return follow(() => withInitial(rankStore, client, tally, request));
}

function withInitial(storeFor, client, tally, request) {
  const { initial, ...asked } = toValue(request);
  return storeFor(toValue(client), toValue(tally), asked, initial);
}

function follow(make) {
  const store = computed(make);
  const value = shallowRef();
  const state = shallowRef();
  let isOpen = false;
  let end;
  const show = () => { ({ value: value.value, state: state.value } = store.value.get()); };
  const open = () => {
    isOpen = true;
    const before = end;
    end = store.value.subscribe(show);
    before?.(); // after the next is open: the tally stays subscribed
    show();
  };
  show();
  if (getCurrentInstance()) onMounted(open);
  else open();
  watch(store, () => { if (isOpen) open(); else show(); }, { flush: 'sync' });
  onScopeDispose(() => end?.());
  return { value, state };
}
