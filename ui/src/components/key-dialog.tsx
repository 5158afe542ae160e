import { useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useSyncExternalStore } from "react";

import { dismissKey, keyOf, keyWanted, onKeys, setKey } from "@/api/keys";
import { Button } from "./ui/button";
import { Dialog } from "./ui/dialog";
import { Input } from "./ui/input";

/** Opens when an API asks for a key. */
export function KeyDialog() {
  const url = useSyncExternalStore(onKeys, keyWanted);
  const queries = useQueryClient();
  if (url === undefined) return null;

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const key = new FormData(event.currentTarget).get("key");
    setKey(url ?? "", typeof key === "string" ? key.trim() : "");
    void queries.invalidateQueries({ queryKey: [url] });
  }

  return (
    <Dialog
      key={url}
      open
      onOpenChange={() => dismissKey(url)}
      title="An API key, please"
      description={
        keyOf(url)
          ? "The API does not take the key that this browser has."
          : "The API answers only to those who have a key."
      }
    >
      <form onSubmit={submit} className="mt-4 flex flex-col gap-3">
        <label className="flex flex-col gap-1 text-sm font-medium">
          Key for {url || "this server"}
          <Input name="key" type="password" autoComplete="off" required autoFocus />
        </label>
        <p className="text-sm text-muted-foreground">
          It is kept in this browser, and sent to that address alone.
        </p>
        <Button type="submit" className="self-end">
          Use this key
        </Button>
      </form>
    </Dialog>
  );
}
