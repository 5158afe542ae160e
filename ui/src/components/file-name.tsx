/** A file's path on one line: where there is little room, its folder gives way first. */
export function FileName({ path }: { path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return (
    <span className="flex min-w-0" title={path}>
      {cut > 0 && (
        <span className="min-w-0 shrink-[999] truncate text-muted-foreground">
          {path.slice(0, cut)}
        </span>
      )}
      <span className="min-w-0 truncate">{path.slice(cut)}</span>
    </span>
  );
}
