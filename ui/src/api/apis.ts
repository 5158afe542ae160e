/** Which APIs the page talks to: those of config.json beside the page, and the user's own. */

import { remember, remembered } from "@/lib/storage";

export interface Api {
  /** What it is called on the page and in links. */
  name: string;
  /** Its address, without a slash at the end; "" is where the page came from. */
  url: string;
  /** Added by the user, in this browser. */
  own?: boolean;
}

const HERE: Api = { name: "on-prem", url: "" };
const STORED = "skylane.apis";

/** Reads the list anew. Without a config.json the page asks where it came from. */
export async function loadApis(): Promise<Api[]> {
  return merge(await configured(), ownApis());
}

async function configured(): Promise<Api[]> {
  try {
    const response = await fetch("config.json");
    const config: unknown = response.ok ? await response.json() : {};
    const apis = parse((config as { apis?: unknown } | null)?.apis);
    return apis.length > 0 ? apis : [HERE];
  } catch {
    return [HERE]; // a static host without one may answer with its own page
  }
}

/** Keeps what is an address with a name, of whatever was written. */
export function parse(written: unknown): Api[] {
  if (!Array.isArray(written)) return [];
  return (written as Partial<Api>[]).flatMap((one) =>
    typeof one.url === "string" && typeof one.name === "string" && one.name
      ? [{ name: one.name, url: one.url.replace(/\/+$/, "") }]
      : [],
  );
}

/** Both lists; of two with one name the first holds, and so it does of two with one address. */
function merge(first: Api[], own: Api[]): Api[] {
  const names = new Set(first.map((api) => api.name));
  const urls = new Set(first.map((api) => api.url));
  return [...first, ...own.filter((api) => !names.has(api.name) && !urls.has(api.url))];
}

export function ownApis(): Api[] {
  try {
    const apis = parse(JSON.parse(remembered(STORED) ?? "[]"));
    return apis.map((api) => ({ ...api, own: true }));
  } catch {
    return [];
  }
}

export function keepOwnApis(apis: Api[]): void {
  remember(STORED, JSON.stringify(apis.map(({ name, url }) => ({ name, url }))));
}
