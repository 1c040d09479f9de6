import { median } from "./statistics.js";

/**
 * Measures several things in turn, slice by slice, and gives each one's median: what else the machine does meanwhile
 * meets all of them alike.
 */
export async function inTurn<Name extends string>(
  rounds: number,
  works: Readonly<Record<Name, () => number | Promise<number>>>,
): Promise<Record<Name, number>> {
  // Sound: Object.keys of a literal record gives its own names.
  const names = Object.keys(works) as Name[];
  const measured = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) measured.get(name)?.push(await works[name]());
  }
  // Sound: every name has its entry above.
  return Object.fromEntries([...measured].map(([name, values]) => [name, median(values)])) as Record<
    Name,
    number
  >;
}
