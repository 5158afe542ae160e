import { formatAgo, formatExact } from "@/lib/format";
import { useNow } from "@/lib/use-now";

/** How long ago; exactly when, on hover. */
export function RelativeTime({ at }: { at: string }) {
  const now = useNow();
  const then = new Date(at);
  return (
    <time dateTime={at} title={formatExact(then)}>
      {formatAgo(then, new Date(now))}
    </time>
  );
}
