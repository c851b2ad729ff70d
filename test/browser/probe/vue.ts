import { createApp, h, shallowRef, type App as Application } from 'vue';
import App from '../vue/App.vue';

const id = shallowRef('');
let app: Application | undefined;
export function showVue(next: string) {
  id.value = next;
  if (app) return;
  app = createApp({ render: () => h(App, { id: id.value }) });
  app.mount('#vue');
}
export const leaveVue = () => app!.unmount();
