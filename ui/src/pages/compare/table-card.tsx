import type { ReactNode } from "react";

import { Card, CardContent, CardDescription, CardHeader, CardTitle } from "@/components/ui/card";
import { cn } from "@/lib/utils";

interface Props {
  title: string;
  badge?: ReactNode;
  about?: string | undefined;
  /** What the table has, for who does not see it. */
  caption: string;
  legend?: ReactNode;
  className?: string;
  /** Whether its columns are few, and would stand too far apart over all of the width. */
  narrow?: boolean;
  /** The rows, and the head above them. */
  children: ReactNode;
}

/** A table in a card, which scrolls by itself where it is wider than the page. */
export function TableCard({
  title,
  badge,
  about,
  caption,
  legend,
  className,
  narrow,
  children,
}: Props) {
  return (
    <Card className={cn("min-w-0", className)}>
      <CardHeader>
        <CardTitle>{title}</CardTitle>
        {badge}
        {about && <CardDescription>{about}</CardDescription>}
      </CardHeader>
      {legend}
      <CardContent
        className="relative overflow-x-auto"
        tabIndex={0}
        role="region"
        aria-label={title}
      >
        <table
          className={cn(
            "w-full text-left text-sm tabular-nums [&_thead]:text-xs [&_thead]:text-muted-foreground [&_thead_th]:pb-1 [&_thead_th]:font-medium",
            narrow && "max-w-2xl",
          )}
        >
          <caption className="sr-only">{caption}</caption>
          {children}
        </table>
      </CardContent>
    </Card>
  );
}

/** A figure, and in small below it how sure it is. */
export function Figure({ children, below }: { children: ReactNode; below?: string | undefined }) {
  return (
    <td className="py-1 pl-4 text-right align-top whitespace-nowrap">
      {children}
      {below && <span className="block text-xs text-muted-foreground">{below}</span>}
    </td>
  );
}
