import type { Candidate } from "./state.js";
import { compareConfidence, comparePrecedence } from "./state.js";

/** One candidate and what became of it. */
export interface Judged {
  readonly candidate: Candidate;
  readonly decisive: boolean;
  /** One line for `explain`. */
  readonly verdict: string;
}

function name(candidate: Candidate): string {
  return candidate.channel === "" ? candidate.source : `${candidate.source}/${candidate.channel}`;
}

function supersedes(later: Candidate, earlier: Candidate): boolean {
  return later.at > earlier.at && compareConfidence(later.confidence, earlier.confidence) >= 0;
}

/**
 * Chooses among candidates: one is superseded by a later one of equal or higher confidence; among what is left
 * precedence decides, then confidence, then the later one. Pure and total; the deciding one comes first.
 */
export function resolve(candidates: readonly Candidate[]): Judged[] {
  const standing: Candidate[] = [];
  const superseded: Judged[] = [];
  for (const candidate of candidates) {
    const by = candidates.find((other) => other !== candidate && supersedes(other, candidate));
    if (by === undefined) standing.push(candidate);
    else {
      const verdict = `superseded by ${name(by)}, later and at least as reliable`;
      superseded.push({ candidate, decisive: false, verdict });
    }
  }
  standing.sort(
    (a, b) =>
      comparePrecedence(a.state, b.state) ||
      compareConfidence(b.confidence, a.confidence) ||
      b.at - a.at ||
      (a.eventId < b.eventId ? -1 : 1),
  );
  const [winner] = standing;
  const judged = standing.map((candidate): Judged => {
    if (candidate === winner) {
      const verdict =
        candidates.length === 1 ? "the only candidate" : "decides: nothing later is as reliable";
      return { candidate, decisive: true, verdict };
    }
    return { candidate, decisive: false, verdict: `yields to ${winner?.state ?? "nothing"} by precedence` };
  });
  return [...judged, ...superseded];
}
