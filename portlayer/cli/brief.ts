/** The longest that a cell in the midst of a table is shown, in characters; `--output json` has it whole. */
const LONGEST = 40;

/** A text for a cell; a long one is cut in its middle, where lists and digests say least. */
export function brief(text: string): string {
  if (text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST - 12)}…${text.slice(-11)}`;
}
