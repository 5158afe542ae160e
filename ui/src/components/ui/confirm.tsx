import { AlertDialog as Radix } from "radix-ui";
import type { ReactNode } from "react";

import { Button } from "./button";

interface Props {
  /** What opens it. */
  trigger: ReactNode;
  title: string;
  description: string;
  action: string;
  onConfirm: () => void;
}

/** Asks before something is done that cannot be undone. */
export function Confirm({ trigger, title, description, action, onConfirm }: Props) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-60 bg-black/50 animate-in fade-in-0" />
        <Radix.Content className="fixed top-1/2 left-1/2 z-70 w-[calc(100%-2rem)] max-w-md -translate-1/2 rounded-xl border bg-popover p-5 shadow-xl animate-in fade-in-0 zoom-in-95">
          <Radix.Title className="font-semibold">{title}</Radix.Title>
          <Radix.Description className="mt-1 text-sm text-muted-foreground">
            {description}
          </Radix.Description>
          <div className="mt-5 flex justify-end gap-2">
            <Radix.Cancel asChild>
              <Button variant="outline">Keep it</Button>
            </Radix.Cancel>
            <Radix.Action asChild>
              <Button variant="destructive" onClick={onConfirm}>
                {action}
              </Button>
            </Radix.Action>
          </div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
