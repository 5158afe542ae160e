/** The files in what was dropped, pasted or picked, those in folders too. */

import type { Picked } from "./queue";

// Of the formats that the API accepts, as `skylane classify` has them. Only for finding images
// in folders: the API looks at the bytes, and a file that is chosen itself is sent anyhow.
const SUFFIX = /\.(jpe?g|png|webp|tiff?|bmp)$/i;
const HIDDEN = /(^|\/)(\.|__MACOSX\/)/;

/** Whether a file is meant when the folder that it is in was chosen. */
export const isMeant = (path: string): boolean =>
  !path.includes("/") || (SUFFIX.test(path) && !HIDDEN.test(path));

/** Files of a picker; a folder picker gives their paths below the folder. */
export function fromPicker(files: Iterable<File>): Picked[] {
  return [...files]
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ path }) => isMeant(path));
}

export interface Taken {
  picked: Picked[];
  /** Files and folders that could not be read. */
  unreadable: string[];
  /** How many files of folders were left out, because they are no images. */
  left_out: number;
}

/**
 * Files of a drop or of the clipboard.
 *
 * Call it in the event's own turn: the browser empties `transfer` right after.
 */
export async function fromTransfer(
  transfer: DataTransfer,
  onFound: (files: number) => void = () => undefined,
): Promise<Taken> {
  const entries = [...transfer.items].flatMap((item) =>
    item.kind === "file" ? (item.webkitGetAsEntry() ?? []) : [],
  );
  const taken: Taken = { picked: [], unreadable: [], left_out: 0 };
  if (entries.length === 0) taken.picked = fromPicker(transfer.files);
  for (const entry of entries) await walk(entry, taken, onFound);
  return taken;
}

async function walk(
  entry: FileSystemEntry,
  taken: Taken,
  onFound: (files: number) => void,
): Promise<void> {
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      if (!isMeant(path)) {
        taken.left_out += 1;
        return;
      }
      const file = await new Promise<File>((resolve, reject) =>
        (entry as FileSystemFileEntry).file(resolve, reject),
      );
      taken.picked.push({ file, path });
      if (taken.picked.length % 100 === 0) onFound(taken.picked.length);
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // A reader gives a hundred at a time, and an empty list at the end.
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
        reader.readEntries(resolve, reject),
      );
      if (some.length === 0) return;
      for (const child of some) await walk(child, taken, onFound);
    }
  } catch {
    taken.unreadable.push(path);
  }
}
