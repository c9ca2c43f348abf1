/** The protocol's limit for the text of a message, in code points. */
export const longestMessage = 10_000;
const announcedFrom = 9_500;

export function codePoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0xdc00 || code > 0xdfff || i === 0) count++;
    else {
      const before = text.charCodeAt(i - 1);
      if (before < 0xd800 || before > 0xdbff) count++;
    }
  }
  return count;
}

/** How many code points are left, told only near the end. */
export function room(text: string): number | undefined {
  if (text.length < announcedFrom) return undefined;
  const left = longestMessage - codePoints(text);
  return left < longestMessage - announcedFrom ? left : undefined;
}
