/** The surroundings of the first match, short enough for one line. */
export function excerpt(content: string, query: string, lead = 24): { before: string; match: string; after: string } {
  const at = content.toLowerCase().indexOf(query.toLowerCase());
  if (at < 0) return { before: content.slice(0, 120), match: "", after: "" };
  const from = Math.max(0, at - lead);
  return {
    before: (from > 0 ? "…" : "") + content.slice(from, at),
    match: content.slice(at, at + query.length),
    after: content.slice(at + query.length, at + query.length + 100),
  };
}
