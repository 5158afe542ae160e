import { XIcon } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";

import { cn } from "@/lib/utils";
import { Button } from "./button";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description: ReactNode;
  children: ReactNode;
  className?: string;
  /** Where the focus goes when it closes, if nothing opened it that could have it back. */
  onCloseAutoFocus?: (event: Event) => void;
}

export function Dialog({ open, onOpenChange, title, description, children, ...rest }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/50 animate-in fade-in-0" />
        <Radix.Content
          {...(rest.onCloseAutoFocus ? { onCloseAutoFocus: rest.onCloseAutoFocus } : {})}
          className={cn(
            "fixed top-1/2 left-1/2 z-50 max-h-[calc(100dvh-2rem)] w-[calc(100%-2rem)] max-w-lg -translate-1/2 overflow-y-auto rounded-xl border bg-popover p-5 text-popover-foreground shadow-xl animate-in fade-in-0 zoom-in-95",
            rest.className,
          )}
        >
          <Radix.Title className="pr-10 text-lg font-semibold break-words">{title}</Radix.Title>
          <Radix.Description className="mt-1 text-sm text-muted-foreground">
            {description}
          </Radix.Description>
          {children}
          <Radix.Close asChild>
            <Button
              variant="ghost"
              size="icon"
              aria-label="Close"
              className="absolute top-3 right-3"
            >
              <XIcon />
            </Button>
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
