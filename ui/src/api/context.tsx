import { createContext, type ReactNode, use, useMemo, useState } from "react";
import { useSearchParams } from "react-router";

import { type Api, keepOwnApis, ownApis } from "./apis";

interface Apis {
  all: readonly Api[];
  add: (api: Api) => void;
  remove: (api: Api) => void;
}

const Context = createContext<Apis | undefined>(undefined);

export function ApisProvider({ found, children }: { found: Api[]; children: ReactNode }) {
  const [all, setAll] = useState(found);
  const apis = useMemo<Apis>(
    () => ({
      all,
      add: (api) => {
        keepOwnApis([...ownApis(), api]);
        setAll((before) => [...before, { ...api, own: true }]);
      },
      remove: (api) => {
        keepOwnApis(ownApis().filter((one) => one.url !== api.url));
        setAll((before) => before.filter((one) => one.url !== api.url));
      },
    }),
    [all],
  );
  return <Context value={apis}>{children}</Context>;
}

export function useApis(): Apis {
  const apis = use(Context);
  if (!apis) throw new Error("useApis is for what is inside an ApisProvider");
  return apis;
}

/** The API that this page of the site is about: `?api=` in its address, or the first. */
export function useApi(): Api {
  const { all } = useApis();
  const [search] = useSearchParams();
  const name = search.get("api");
  const api = all.find((one) => one.name === name) ?? all[0];
  if (!api) throw new Error("there is no API"); // loadApis gives one at least
  return api;
}

/** Where a page is, for a <Link>: about the same API, and with `parameters` in its address. */
export function useLinkTo() {
  const [search] = useSearchParams();
  const api = search.get("api");
  return (pathname: string, parameters: Record<string, string> = {}) => {
    const all = new URLSearchParams({ ...(api ? { api } : {}), ...parameters });
    return { pathname, search: all.size > 0 ? `?${all.toString()}` : "" };
  };
}
