import { expect, it } from "vitest";
import { initials } from "./avatar";

it.each([
  ["Ada Lovelace", "AL"],
  ["kei", "K"],
  ["نور الهدى", "نا"],
  ["Z̷̢̡a̸͘l̶̕g̵o̴", "Z"],
  ["\u202Eevil", "E"],
  ["  ", ""],
  ["🎉", ""],
  ["a-b_c.d", "AD"],
])("the letters of %s are %s", (name, letters) => {
  expect(initials(name)).toBe(letters);
});
