import { useEffect, useState } from "react";
import type { MediaId } from "../../sync/api";
import { useClient } from "../messenger/context";

/**
 * The address of a picture or file that an element can show, whichever way this client is signed in; undefined until there is
 * one. null: nothing to fetch.
 */
export function useMediaSource(of: MediaId | { path: string } | null, kind: "full" | "thumb" = "full"): string | undefined {
  const client = useClient();
  const [source, setSource] = useState<{ of: string; url: string }>();
  const name = of === null ? "" : typeof of === "string" ? of : of.path;
  const isPath = of !== null && typeof of !== "string";

  useEffect(() => {
    if (name === "") return;
    let release: (() => void) | undefined;
    let gone = false;
    client.media.source(isPath ? { path: name } : name, kind).then(
      (found) => {
        if (gone) found.release();
        else {
          release = found.release;
          setSource({ of: name, url: found.url });
        }
      },
      () => undefined, // It stays what is shown without it: initials, or the grey box.
    );
    return () => {
      gone = true;
      release?.();
    };
  }, [client, name, isPath, kind]);

  return source !== undefined && source.of === name ? source.url : undefined;
}

/** An address for a blob of this page, for as long as it is shown. */
export function useBlobUrl(blob: Blob | null | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (blob === null || blob === undefined) {
      setUrl(undefined);
      return;
    }
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => {
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return url;
}
