import { showReact, leaveReact } from './react';
import { showSvelte, leaveSvelte } from './svelte.svelte';
import { showVue, leaveVue } from './vue';

Object.assign(globalThis, {
  show: { react: showReact, svelte: showSvelte, vue: showVue },
  leave: { react: leaveReact, svelte: leaveSvelte, vue: leaveVue },
});
