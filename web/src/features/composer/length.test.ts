import { expect, it } from "vitest";
import { codePoints, room } from "./length";

it("counts code points as the server does", () => {
  for (const text of ["", "abc", "é🎉", "👨‍👩‍👧", "\ud800", "\udc00\udc00", "a\ud83c", "🎉\udf89"]) expect(codePoints(text)).toBe([...text].length);
});

it("speaks of the room that is left only near the end", () => {
  expect(room("a".repeat(9_000))).toBeUndefined();
  expect(room("🎉".repeat(9_000))).toBeUndefined();
  expect(room("a".repeat(9_990))).toBe(10);
  expect(room("🎉".repeat(10_001))).toBe(-1);
});
