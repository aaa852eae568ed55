/** How the dashboard is built into dashboard/dist, and how `vite dashboard` proxies to a running daemon while it is worked on. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const daemonUrl = process.env["TRUECAST_URL"] ?? "http://127.0.0.1:8480";

// oxlint-disable-next-line import/no-default-export -- Vite reads its configuration from the default export.
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // The daemon's Content-Security-Policy allows no data: URLs for scripts and styles; keep every asset a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: daemonUrl, ws: true } },
  },
});
