/**
 * Finds the known name that a mistyped one was probably meant to be.
 *
 * Why own code: `mod.ts` loads it, and a flow must load in a project whose `node_modules` has none
 * of our packages.
 *
 * @module
 */

/**
 * Returns the name with the smallest edit distance to `given`; of equals, the first.
 *
 * @param names At least one.
 */
export function closestName(given: string, names: readonly string[]): string {
  let closest = names[0];
  let least = Infinity;
  for (const name of names) {
    const distance = editDistance(given, name);
    if (distance < least) [closest, least] = [name, distance];
  }
  return closest;
}

/**
 * Returns the name that a mistyped one was probably meant to be. That is one that begins alike, or
 * that differs in few characters. Returns `undefined` if none is near.
 */
export function likelyName(given: string, names: readonly string[]): string | undefined {
  if (names.length === 0 || given.length < 2) return undefined;
  const [typed, known] = [given.toLowerCase(), names.map((name) => name.toLowerCase())];
  const alike = known.findIndex((name) =>
    name.length >= 3 && typed.length >= 3 && (name.startsWith(typed) || typed.startsWith(name))
  );
  if (alike >= 0) return names[alike];
  const closest = closestName(typed, known);
  const most = Math.max(1, Math.min(3, Math.floor(closest.length / 2)));
  return editDistance(typed, closest) <= most ? names[known.indexOf(closest)] : undefined;
}

/**
 * Returns `. Did you mean NAME?`, to stand at the end of an error, with the name that a mistyped
 * one was probably meant to be. Returns `""` if none is near.
 */
export function didYouMean(given: string, names: readonly string[]): string {
  const meant = likelyName(given, names);
  return meant === undefined ? "" : `. Did you mean ${meant}?`;
}

/**
 * Returns how many characters must be inserted, deleted or replaced to turn `a` into `b`
 * (Levenshtein 1965). It goes by rows of the table of Wagner and Fischer, "The String-to-String
 * Correction Problem", 1974.
 */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
