import { svelte } from '@sveltejs/vite-plugin-svelte';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

const server = process.env.PGTALLY ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: './',
  plugins: [svelte({ configFile: false }), vue()],
  server: { proxy: { '/v1': { target: server, ws: true } } },
});
