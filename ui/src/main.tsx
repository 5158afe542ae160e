import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { HashRouter, Route, Routes } from "react-router";

import { loadApis } from "./api/apis";
import { ApisProvider } from "./api/context";
import { mayRetryQuery } from "./api/queries";
import { Layout } from "./components/layout";
import "./index.css";
import { lazyPage } from "./lib/lazy-page";
import { ClassifyPage } from "./pages/classify/page";

const queries = new QueryClient({
  defaultOptions: { queries: { retry: mayRetryQuery, staleTime: 2000, networkMode: "always" } },
});

const results = lazyPage(() => import("./pages/results/page"));
const dashboard = lazyPage(() => import("./pages/dashboard/page"));
const compare = lazyPage(() => import("./pages/compare/page"));

const PRELOAD_AFTER_MS = 500;

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
const apis = await loadApis();
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <ApisProvider found={apis}>
        {/* By hash: any static host can serve it, and no page is named as a route of the API is. */}
        <HashRouter>
          <Routes>
            <Route Component={Layout}>
              <Route path="results" Component={results.Page} />
              <Route path="dashboard" Component={dashboard.Page} />
              <Route path="compare" Component={compare.Page} />
              <Route path="*" Component={ClassifyPage} />
            </Route>
          </Routes>
        </HashRouter>
      </ApisProvider>
    </QueryClientProvider>
  </StrictMode>,
);

// The results' code comes now, which is little, and not when the API may be away. The charts' is
// as much as all the rest, and waits for somebody who wants to see some.
setTimeout(() => results.preload().catch(() => undefined), PRELOAD_AFTER_MS);
