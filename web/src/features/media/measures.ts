import type { Media } from "../../sync/api";

const most = { width: 320, height: 340 };
const least = { width: 120, height: 90 };

/** The room a picture takes in the history, known before it has come, so that nothing moves when it does. */
export function box(media: Pick<Media, "width" | "height">): { inlineSize: number; aspectRatio: string } {
  const width = media.width ?? 0;
  const height = media.height ?? 0;
  if (width <= 0 || height <= 0) return { inlineSize: 260, aspectRatio: "4 / 3" };
  const scale = Math.min(1, most.width / width, most.height / height);
  const shownWidth = Math.round(Math.max(least.width, width * scale));
  const shownHeight = Math.round(Math.min(most.height, Math.max(least.height, height * scale)));
  return { inlineSize: shownWidth, aspectRatio: `${shownWidth} / ${shownHeight}` };
}

export function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = "B";
  for (const next of units) {
    if (value < 999.5) break;
    value /= 1_000;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** By what a file is, how it is shown. SVG is a document that could hold scripts: it is only ever saved. */
export function contentTypeOf(file: Blob): "image" | "video" | "file" {
  if (/^image\/(png|jpeg|gif|webp|avif)$/.test(file.type)) return "image";
  if (file.type.startsWith("video/")) return "video";
  return "file";
}
