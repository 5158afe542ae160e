import type { Api } from "@/api/apis";
import { fetchFrom } from "@/api/client";
import { keyOf } from "@/api/keys";
import type { Filters } from "@/api/queries";

/** Saves what the filters leave as a file. Without a key the browser streams it to the disk. */
export async function downloadCsv(api: Api, filters: Filters): Promise<void> {
  const address = new URL(`${api.url || "."}/results.csv`, document.baseURI);
  for (const [name, value] of Object.entries(filters)) {
    address.searchParams.set(name, String(value));
  }
  if (!keyOf(api.url)) {
    save(address.href);
    return;
  }
  const copy = URL.createObjectURL(await (await fetchFrom(api.url, address.href)).blob());
  save(copy);
  setTimeout(() => URL.revokeObjectURL(copy), 60_000);
}

function save(address: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = "skylane-results.csv";
  link.target = "_blank"; // should another host answer with an error, this page stays
  link.click();
}
