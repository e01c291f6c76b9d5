import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// `npm run dev` shows the page from sources on the API of a running server.
const server = process.env.PAGE_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../assets',
    emptyOutDir: true,
    cssCodeSplit: false,
    modulePreload: false,
    target: 'es2022',
    reportCompressedSize: true,
    // Stable names: the server's table of files names them, and a rebuild shows as a change of one file.
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: 'assets/page.js',
        assetFileNames: 'assets/page[extname]',
      },
    },
  },
  server: {
    proxy: Object.fromEntries(['/api', '/orders', '/products'].map((path) => [path, server])),
  },
  test: { include: ['src/**/*.test.ts'] },
});
