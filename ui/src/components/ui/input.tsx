import type { ComponentProps } from "react";

import { cn } from "@/lib/utils";

const look =
  "h-9 min-w-0 rounded-md border border-input/60 bg-card px-3 text-sm placeholder:text-muted-foreground disabled:opacity-50";

export function Input({ className, ...props }: ComponentProps<"input">) {
  return <input className={cn(look, className)} {...props} />;
}

/** The browser's own select: it knows every keyboard, screen reader and thumb. */
export function Select({ className, ...props }: ComponentProps<"select">) {
  return <select className={cn(look, "pr-8", className)} {...props} />;
}
