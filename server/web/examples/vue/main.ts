import { createApp } from 'vue';
import App from './App.vue';

createApp(App, { id: '33' }).mount('#app');
