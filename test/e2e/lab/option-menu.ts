const NUMBERED_OPTION = /^[\s│❯›>]*(\d+)\. (.+)$/;
const HIGHLIGHTED = /^[\s│]*[❯›]\s+(?:\d+\. )?(.+)$/;

/** The number of the lowest option on the screen whose words match, or undefined when none is numbered so. */
export function numberOfOption(screen: string, words: RegExp): string | undefined {
  const options = screen.split("\n").map((line) => NUMBERED_OPTION.exec(line));
  return options.findLast((option) => option !== null && words.test((option[2] ?? "").trim()))?.[1];
}

/** The words of the highlighted lines, top first. */
export function highlightedOptions(screen: string): readonly string[] {
  return screen.split("\n").flatMap((line) => {
    const words = HIGHLIGHTED.exec(line)?.[1];
    return words === undefined ? [] : [words.trim()];
  });
}

/** The screen without the marks that move with the highlight, to tell a moved highlight from an answer. */
export function withoutMarks(screen: string): string {
  return screen.replaceAll(/[❯›\s]+/g, " ");
}
