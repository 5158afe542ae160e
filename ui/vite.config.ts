import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const API = process.env["SKYLANE_API"] ?? "http://127.0.0.1:8000"; // behind `npm run dev`
const ROUTES = "^/(about|config.json|events|images|report|results|stats|upload|ready|openapi)";

export default defineConfig({
  base: "./", // any folder of any static host will do
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: { target: "es2024", chunkSizeWarningLimit: 700 },
  server: { proxy: { [ROUTES]: API } },
});
