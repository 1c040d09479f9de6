import { describe, expect, it } from "vitest";
import type { Happening } from "../client/history.js";
import { coverage } from "./coverage.js";
import { change, expectBreach, history, row, told, watched } from "./samples.js";
import { validateWatch, WATCH } from "./watch.js";

describe("watching", () => {
  const begin = told("snapshot", 1, { items: [row("p", "x")] });
  const complete = watched("full", 1, ["", begin, change(2, "y"), change(3, "z"), change(5, "a")]);

  it("holds for resumes, merged deltas, bookmarks, resets and another life", () => {
    const fine = history(
      ...complete,
      ...watched(
        "other",
        10,
        ["", begin, change(2, "y")],
        ["s:2", told("bookmark", 2)],
        ["s:2", change(5, "a", { coalesced: true })],
        ["s:5", told("reset", 5, { reason: "too_slow" }), told("snapshot", 7, { items: [row("p", "b")] })],
        ["s:7", told("reset", 0, { streamId: "t" }), told("snapshot", 1, { streamId: "t" })],
      ),
      { kind: "read", streamId: "s", sequence: 3, rows: [row("p", "z")] },
    );
    expect(validateWatch(fine)).toEqual([]);
    expect(coverage(fine)).toMatchObject({ resumed: 2, reset: 2, compared: 1 });
  });

  it("says that a stream begins without a snapshot", () => {
    expectBreach(validateWatch(history(...watched("w", 1, ["", change(1, "x")]))), WATCH.begins);
  });

  it("says that a sequence goes back", () => {
    const back = history(...watched("w", 1, ["", begin, change(3, "y"), told("bookmark", 2)]));
    expectBreach(validateWatch(back), WATCH.ordered);
  });

  it("says that a sequence comes again after a resume", () => {
    const again = history(...watched("w", 1, ["", begin, change(2, "y")], ["s:2", change(2, "y")]));
    expectBreach(validateWatch(again), WATCH.unique);
  });

  it("says that another life's cursor is continued", () => {
    const foreign = history(...watched("w", 1, ["", begin], ["s:1", change(2, "y", { streamId: "t" })]));
    expectBreach(validateWatch(foreign), WATCH.foreign);
  });

  it("says that a live cursor begins anew without a reset", () => {
    const anew = history(...watched("w", 1, ["", begin], ["s:1", told("snapshot", 3)]));
    expectBreach(validateWatch(anew), WATCH.resumable);
  });

  it("says that a reset is followed by something else", () => {
    const torn = history(
      ...watched("w", 1, ["", begin, told("reset", 1, { reason: "too_slow" }), change(9, "y")]),
    );
    expectBreach(validateWatch(torn), WATCH.seamed);
  });

  it("says that a change is missing, between deltas and behind a bookmark", () => {
    const gap = history(
      ...complete,
      ...watched("w", 10, ["", begin, change(2, "y")], ["s:2", change(5, "a")]),
    );
    expectBreach(validateWatch(gap), WATCH.gapless);
    const skipped = history(...complete, ...watched("w", 10, ["", begin, told("bookmark", 2)]));
    expectBreach(validateWatch(skipped), WATCH.gapless);
  });

  it("says that a fold differs from the list at its sequence", () => {
    const differing: [string, ...{ key: string; text: string }[]][] = [
      ["it has y, List says other", { key: "p", text: "other" }],
      ["it lacks q", { key: "p", text: "y" }, { key: "q", text: "" }],
      ["it still has p"],
    ];
    for (const [word, ...rows] of differing) {
      const read: Happening = { kind: "read", streamId: "s", sequence: 2, rows };
      const breaches = validateWatch(history(...complete, read));
      expectBreach(breaches, WATCH.value);
      expect(breaches[0]).toContain(word);
    }
  });
});
