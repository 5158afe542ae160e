import { useQuery } from "@tanstack/react-query";
import { SettingsIcon } from "lucide-react";
import { Suspense, useEffect, useState } from "react";
import { NavLink, Outlet, useLocation, useSearchParams } from "react-router";
import { Toaster } from "sonner";

import { useApi, useApis, useLinkTo } from "@/api/context";
import { reopenKey } from "@/api/keys";
import { ApiProblem } from "@/api/problems";
import { aboutQuery } from "@/api/queries";
import { useTheme } from "@/lib/theme";
import { cn } from "@/lib/utils";
import { ErrorBoundary } from "./error-boundary";
import { KeyDialog } from "./key-dialog";
import { SettingsDialog } from "./settings-dialog";
import { ThemeButton } from "./theme-button";
import { Button } from "./ui/button";
import { Select } from "./ui/input";
import { Skeleton } from "./ui/skeleton";

const PAGES = [
  ["/", "Classify"],
  ["/results", "Results"],
  ["/dashboard", "Dashboard"],
  ["/compare", "Compare"],
] as const;

/** What is around every page: the way to the others, which API, its state, the theme. */
export function Layout() {
  const [settings, setSettings] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => {
    // A file that is dropped beside the place for it must not take the page away.
    const stay = (event: DragEvent) => event.preventDefault();
    window.addEventListener("dragover", stay);
    window.addEventListener("drop", stay);
    return () => {
      window.removeEventListener("dragover", stay);
      window.removeEventListener("drop", stay);
    };
  }, []);
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        onClick={(event) => {
          event.preventDefault(); // the hash is the router's
          document.getElementById("main")?.focus();
        }}
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-card focus:p-2"
      >
        Skip to the page
      </a>
      <header className="sticky top-0 z-30 border-b bg-background">
        <div className="mx-auto flex max-w-7xl flex-wrap items-center gap-x-6 gap-y-2 px-4 py-2">
          <span className="flex items-center gap-2 font-semibold tracking-tight">
            <img src="./icon.svg" alt="" className="size-7" /> Skylane
          </span>
          <div className="ml-auto flex items-center gap-1 sm:order-3">
            <ApiChoice />
            <ThemeButton />
            <Button
              variant="ghost"
              size="icon"
              aria-label="Settings"
              onClick={() => setSettings(true)}
            >
              <SettingsIcon />
            </Button>
          </div>
          <Navigation />
        </div>
        <Away />
      </header>
      <main
        id="main"
        tabIndex={-1}
        className="mx-auto w-full max-w-7xl flex-1 px-4 py-6 outline-none"
      >
        <ErrorBoundary place={pathname}>
          <Suspense fallback={<Skeleton className="h-96" />}>
            <Outlet />
          </Suspense>
        </ErrorBoundary>
      </main>
      <KeyDialog />
      <SettingsDialog open={settings} onOpenChange={setSettings} />
      <Toaster theme={useTheme()} position="bottom-right" />
    </div>
  );
}

function Navigation() {
  const linkTo = useLinkTo();
  return (
    <nav aria-label="Pages" className="flex w-full gap-1 sm:order-2 sm:w-auto">
      {PAGES.map(([path, name]) => (
        <NavLink
          key={path}
          end
          to={linkTo(path)}
          className={({ isActive }) =>
            cn(
              "rounded-md px-2 py-1.5 text-sm font-medium text-muted-foreground hover:bg-accent hover:text-foreground sm:px-3",
              isActive && "bg-accent text-foreground",
            )
          }
        >
          {name}
        </NavLink>
      ))}
    </nav>
  );
}

function ApiChoice() {
  const { all } = useApis();
  const api = useApi();
  const [, setSearch] = useSearchParams();
  if (all.length < 2) return null;
  return (
    <Select
      aria-label="API"
      value={api.name}
      onChange={(event) => setSearch({ api: event.target.value })}
      className="max-w-40"
    >
      {all.map((one) => (
        <option key={one.url}>{one.name}</option>
      ))}
    </Select>
  );
}

/** Says when the API is away, wherever one is. It goes when the API is back. */
function Away() {
  const api = useApi();
  const { error } = useQuery(aboutQuery(api));
  const [search] = useSearchParams();
  const asked = search.get("api");
  if (asked && asked !== api.name) {
    return (
      <p role="status" className="bg-warning/15 px-4 py-1.5 text-center text-sm text-warning">
        This browser knows no API of the name “{asked}”; what is shown is of {api.name}. Add it in
        the settings.
      </p>
    );
  }
  if (error instanceof ApiProblem && error.status === 401) {
    return (
      <p role="status" className="bg-warning/15 px-4 py-1.5 text-center text-sm text-warning">
        The API {api.url && <>at {api.url} </>}asks for a key.{" "}
        <button type="button" className="font-medium underline" onClick={() => reopenKey(api.url)}>
          Enter one
        </button>
      </p>
    );
  }
  if (!(error instanceof ApiProblem) || !error.passing) return null;
  return (
    <p role="status" className="bg-warning/15 px-4 py-1.5 text-center text-sm text-warning">
      The API {api.url && <>at {api.url} </>}does not answer. Trying again every two seconds…
    </p>
  );
}
