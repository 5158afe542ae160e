import { Trash2Icon } from "lucide-react";
import { type SubmitEvent, useState } from "react";

import { parse } from "@/api/apis";
import { useApis } from "@/api/context";
import { keyOf, setKey } from "@/api/keys";
import { Button } from "./ui/button";
import { Dialog } from "./ui/dialog";
import { Input } from "./ui/input";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** Which APIs there are, and the keys to them. */
export function SettingsDialog({ open, onOpenChange }: Props) {
  const { all, add, remove } = useApis();
  const [error, setError] = useState("");

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [api] = parse([{ name: form.get("name"), url: form.get("url") }]);
    if (!api || !/^https?:\/\/[^/]+/.test(api.url)) {
      setError("An address begins with http:// or https://.");
    } else if (all.some((one) => one.url === api.url || one.name === api.name)) {
      setError("There is one with this name or address.");
    } else {
      add(api);
      setError("");
      event.currentTarget.reset();
    }
  }

  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="APIs"
      description="With both lanes here, the dashboard shows them side by side."
    >
      <ul className="mt-4 divide-y">
        {all.map((api) => (
          <li key={api.url} className="flex flex-wrap items-center gap-2 py-2 text-sm">
            <span className="min-w-0 flex-1">
              <span className="font-medium">{api.name}</span>
              <span className="block truncate text-muted-foreground">
                {api.url || "this server"}
              </span>
            </span>
            <KeyField url={api.url} name={api.name} />
            {api.own && (
              <Button
                variant="ghost"
                size="icon"
                aria-label={`Remove ${api.name}`}
                onClick={() => remove(api)}
              >
                <Trash2Icon />
              </Button>
            )}
          </li>
        ))}
      </ul>
      <form
        onSubmit={submit}
        className="mt-4 grid gap-3 border-t pt-4 sm:grid-cols-[8rem_1fr_auto]"
      >
        <Input name="name" aria-label="Name" placeholder="serverless" required maxLength={40} />
        <Input name="url" aria-label="Address" placeholder="https://…" type="url" required />
        <Button type="submit" variant="outline">
          Add
        </Button>
        {error && (
          <p role="alert" className="text-sm text-destructive sm:col-span-3">
            {error}
          </p>
        )}
      </form>
      <p className="mt-3 text-sm text-muted-foreground">
        An API on another address has to allow this page: SKYLANE_CORS_ORIGINS on-prem, corsOrigin
        in the cloud.
      </p>
    </Dialog>
  );
}

function KeyField({ url, name }: { url: string; name: string }) {
  const [key, change] = useState(keyOf(url));
  return (
    <Input
      type="password"
      autoComplete="off"
      aria-label={`Key for ${name}`}
      placeholder="no key"
      className="w-32"
      value={key}
      onChange={(event) => change(event.target.value)}
      onBlur={() => key.trim() !== keyOf(url) && setKey(url, key.trim())}
      onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
    />
  );
}
