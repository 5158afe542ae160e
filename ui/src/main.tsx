import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { HashRouter, Route, Routes } from "react-router";

import { loadApis } from "./api/apis";
import { ApisProvider } from "./api/context";
import { mayRetryQuery } from "./api/queries";
import { Layout } from "./components/layout";
import "./index.css";
import { ClassifyPage } from "./pages/classify/page";

const queries = new QueryClient({
  defaultOptions: { queries: { retry: mayRetryQuery, staleTime: 2000, networkMode: "always" } },
});

const ResultsPage = lazy(() => import("./pages/results/page"));
const DashboardPage = lazy(() => import("./pages/dashboard/page"));
const ComparePage = lazy(() => import("./pages/compare/page"));

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
              <Route path="results" Component={ResultsPage} />
              <Route path="dashboard" Component={DashboardPage} />
              <Route path="compare" Component={ComparePage} />
              <Route path="*" Component={ClassifyPage} />
            </Route>
          </Routes>
        </HashRouter>
      </ApisProvider>
    </QueryClientProvider>
  </StrictMode>,
);
