import { type LucideIcon, PlugZapIcon, TriangleAlertIcon } from "lucide-react";
import type { ReactNode } from "react";

import { ApiProblem } from "@/api/problems";
import { Button } from "./ui/button";

interface Props {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
}

/** What stands where there is nothing to show: why, and what to do about it. */
export function Empty({ icon: Icon, title, children }: Props) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-14 text-center">
      <Icon aria-hidden className="size-9 text-muted-foreground" />
      <p className="font-medium">{title}</p>
      <div className="w-full max-w-md text-sm text-muted-foreground">{children}</div>
    </div>
  );
}

/** What went wrong, in the API's own words where it has some. */
export function Failure({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const away = error instanceof ApiProblem && error.status === 0;
  return (
    <div role="alert">
      <Empty
        icon={away ? PlugZapIcon : TriangleAlertIcon}
        title={away ? "The API does not answer" : "That did not work"}
      >
        <p className="mb-4">
          {away
            ? "It is asked again every few seconds; nothing that it accepted is lost."
            : error.message}
        </p>
        {onRetry && (
          <Button variant="outline" size="sm" onClick={onRetry}>
            Try again now
          </Button>
        )}
      </Empty>
    </div>
  );
}
