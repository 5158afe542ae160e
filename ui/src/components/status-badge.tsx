import {
  BanIcon,
  CheckIcon,
  ClockIcon,
  LoaderIcon,
  type LucideIcon,
  UploadIcon,
  XIcon,
} from "lucide-react";

import type { State } from "@/uploads/items";
import { Badge, type BadgeVariant } from "./ui/badge";

const LOOKS: Record<State, [BadgeVariant, LucideIcon, string]> = {
  waiting: ["default", ClockIcon, "waiting"],
  sending: ["busy", UploadIcon, "sending"],
  queued: ["default", ClockIcon, "queued"],
  running: ["busy", LoaderIcon, "running"],
  done: ["success", CheckIcon, "done"],
  failed: ["destructive", XIcon, "failed"],
  rejected: ["destructive", BanIcon, "rejected"],
  unsent: ["warning", XIcon, "not sent"],
  cancelled: ["default", BanIcon, "cancelled"],
};

/** Where an image is: by colour, by shape and in words. */
export function StatusBadge({ state }: { state: State }) {
  const [variant, Icon, word] = LOOKS[state];
  return (
    <Badge variant={variant} data-state={state}>
      <Icon aria-hidden className={state === "running" ? "animate-spin" : undefined} />
      {word}
    </Badge>
  );
}
