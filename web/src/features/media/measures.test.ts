import { describe, expect, it } from "vitest";
import { box, contentTypeOf, sizeOf } from "./measures";

describe("measures", () => {
  it("says sizes as people do", () => {
    expect([999, 1_000, 1_500, 9_960, 999_499, 999_500, 12_345_678].map(sizeOf)).toEqual(["999 B", "1.0 kB", "1.5 kB", "10.0 kB", "999 kB", "1.0 MB", "12 MB"]);
  });

  it("gives a picture its room before it has come", () => {
    expect(box({ width: 1200, height: 800 })).toEqual({ inlineSize: 320, aspectRatio: "320 / 213" });
    expect(box({ width: 100, height: 10_000 })).toEqual({ inlineSize: 120, aspectRatio: "120 / 340" });
    expect(box({ width: 20, height: 20 })).toEqual({ inlineSize: 120, aspectRatio: "120 / 90" });
    expect(box({}).aspectRatio).toBe("4 / 3");
  });

  it("never shows an SVG as a picture", () => {
    expect(contentTypeOf(new Blob([], { type: "image/svg+xml" }))).toBe("file");
    expect(contentTypeOf(new Blob([], { type: "image/png" }))).toBe("image");
    expect(contentTypeOf(new Blob([], { type: "video/mp4" }))).toBe("video");
    expect(contentTypeOf(new Blob([]))).toBe("file");
  });
});
