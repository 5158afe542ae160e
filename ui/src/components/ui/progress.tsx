import { Progress as Radix } from "radix-ui";

import { cn } from "@/lib/utils";

interface Props {
  /** From 0 to 1. */
  value: number;
  label: string;
  className?: string;
  barClassName?: string;
}

export function Progress({ value, label, className, barClassName }: Props) {
  const percent = Math.round(Math.min(1, Math.max(0, value)) * 100);
  return (
    <Radix.Root
      value={percent}
      aria-label={label}
      className={cn("h-2 w-full overflow-hidden rounded-full bg-muted", className)}
    >
      <Radix.Indicator
        className={cn("h-full origin-left bg-primary transition-transform", barClassName)}
        style={{ transform: `scaleX(${percent / 100})` }}
      />
    </Radix.Root>
  );
}
