/** Pseudo-random numbers of a seed: fast-check shrinks the seed's neighbours and every failure can be run again. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

export interface Layout {
  readonly indent: string;
  readonly eol: string;
  readonly comments: boolean;
  readonly trailingCommas: boolean;
  readonly bom: boolean;
  readonly finalNewline: boolean;
}

/** Writes a value as a person might: any indentation and line ends, containers in one line or many, comments anywhere. */
export function settingsText(value: unknown, layout: Layout, next: () => number): string {
  const gap = (line: string): string => {
    if (!layout.comments || next() > 0.25) return line;
    return next() < 0.5
      ? ` /* "hooks": [ // ${Math.floor(next() * 1e6)} */${line}`
      : ` // , "x" ] ${Math.floor(next() * 1e6)}${layout.eol}${line}`;
  };
  const container = (
    open: string,
    close: string,
    parts: readonly (() => string)[],
    depth: number,
  ): string => {
    const spread = layout.indent !== "" && next() < 0.8;
    const outer = spread ? layout.eol + layout.indent.repeat(depth) : "";
    const inner = spread ? outer + layout.indent : "";
    const body = parts.map((part, index) => {
      const last = index === parts.length - 1;
      const comma = last && !(layout.trailingCommas && next() < 0.5) ? "" : `${gap("")},`;
      return gap(inner) + part() + comma;
    });
    return open + body.join("") + gap(parts.length === 0 && next() < 0.5 ? "" : outer) + close;
  };
  const write = (item: unknown, depth: number): string => {
    if (Array.isArray(item)) {
      const parts = item.map((child: unknown) => () => write(child, depth + 1));
      return container("[", "]", parts, depth);
    }
    if (typeof item === "object" && item !== null) {
      const parts = Object.entries(item).map(
        ([key, child]) =>
          () =>
            `${JSON.stringify(key)}${gap("")}:${gap(next() < 0.7 ? " " : "")}${write(child, depth + 1)}`,
      );
      return container("{", "}", parts, depth);
    }
    return JSON.stringify(item);
  };
  return (
    (layout.bom ? "\uFEFF" : "") +
    gap("") +
    write(value, 0) +
    gap("") +
    (layout.finalNewline ? layout.eol : "")
  );
}

/** The text without white space between its words; comments and strings stay as they are. */
export function words(text: string): string {
  return text.replaceAll(
    /("(?:[^"\\]|\\.)*"|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)|\s+/gu,
    (_all, word: string | undefined) => (word === undefined ? "" : `${word}\n`),
  );
}
