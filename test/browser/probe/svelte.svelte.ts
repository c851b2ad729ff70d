import { mount, unmount } from 'svelte';
import App from '../svelte/App.svelte';

const props = $state({ id: '' });
let app: object | undefined;
export function showSvelte(id: string) {
  props.id = id;
  app ??= mount(App, { target: document.getElementById('svelte')!, props });
}
export const leaveSvelte = () => unmount(app!);
