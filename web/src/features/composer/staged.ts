import { useMemo, useState } from "react";

export interface StagedFile {
  id: number;
  file: File;
}

export interface Staged {
  files: readonly StagedFile[];
  add: (files: readonly File[]) => void;
  remove: (id: number) => void;
  clear: () => void;
}

let nextId = 1;

/** Files that were chosen, dropped or pasted and not sent yet. */
export function useStaged(): Staged {
  const [files, setFiles] = useState<readonly StagedFile[]>([]);
  return useMemo(
    () => ({
      files,
      add: (more) => {
        setFiles((now) => [...now, ...more.map((file) => ({ id: nextId++, file }))]);
      },
      remove: (id) => {
        setFiles((now) => now.filter((one) => one.id !== id));
      },
      clear: () => {
        setFiles([]);
      },
    }),
    [files],
  );
}
