import type { ParseError } from "jsonc-parser";
import { applyEdits, type Edit, getNodePath, type Node, parseTree, printParseErrorCode } from "jsonc-parser";

/** Thrown when a text cannot be edited without harm; the message is for a person. */
export class JsonTextError extends Error {
  override readonly name = "JsonTextError";
}

/** Parses JSON with comments and trailing commas. Throws JsonTextError saying what is wrong and on which line. */
export function parseJsonText(text: string): Node {
  const errors: ParseError[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(text, errors, { allowTrailingComma: true });
  } catch (cause) {
    if (cause instanceof RangeError) throw new JsonTextError("nested too deeply");
    throw cause;
  }
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split("\n").length;
    throw new JsonTextError(`not JSON (${printParseErrorCode(first.error)} in line ${line})`);
  }
  if (root === undefined) throw new JsonTextError("not JSON (nothing in it)");
  return root;
}

/** The property of an object node, or undefined. Throws JsonTextError if the object has it twice. */
export function property(object: Node, name: string): Node | undefined {
  const found = (object.children ?? []).filter((child) => child.children?.[0]?.value === name);
  if (found.length > 1) throw new JsonTextError(`has "${name}" twice at [${getNodePath(object).join(".")}]`);
  return found[0];
}

export function propertyValue(object: Node, name: string): Node | undefined {
  return property(object, name)?.children?.[1];
}

/**
 * Adds a child behind the last one of an object or array and changes no other byte but for a comma. Comments,
 * trailing commas, line ends and the way the container is laid out are kept to.
 */
export function appendChild(text: string, container: Node, name: string | undefined, value: unknown): string {
  const last = container.children?.at(-1);
  const close = end(container) - 1;
  const inner = punctuation(text, last === undefined ? container.offset + 1 : end(last), close);
  const eol = lineEnd(text);
  const inside = text.slice(container.offset, close);
  const spread =
    inside.includes("\n") || (last === undefined && (container.parent === undefined || text.includes("\n")));
  const outer = indentAt(text, container.offset);
  const indent =
    last !== undefined && opensLine(text, last.offset) ? indentAt(text, last.offset) : outer + unit(text);
  const key = name === undefined ? "" : `${JSON.stringify(name)}:${spread || text.includes(": ") ? " " : ""}`;
  const rendered = key + (spread ? render(text, value, indent) : JSON.stringify(value));
  const trailing = inner.comma !== undefined;
  const lead = spread || inner.lineComment ? eol + indent : last === undefined ? "" : " ";
  const tail = spread && !text.slice(inner.end, close).includes("\n") ? eol + outer : "";
  const edits: Edit[] = [
    { offset: inner.end, length: 0, content: `${lead}${rendered}${trailing ? "," : ""}${tail}` },
  ];
  if (last !== undefined && !trailing) {
    if (inner.end === end(last))
      edits[0] = { offset: inner.end, length: 0, content: `,${edits[0]?.content ?? ""}` };
    else edits.push({ offset: end(last), length: 0, content: "," });
  }
  return applyEdits(text, edits);
}

/** Takes a child out of its object or array: the reverse of `appendChild`. The white space of an emptied one goes. */
export function removeChild(text: string, container: Node, child: Node): string {
  const children = container.children ?? [];
  const before = children[children.indexOf(child) - 1];
  const after = children[children.indexOf(child) + 1];
  const close = end(container) - 1;
  const ahead = punctuation(text, before === undefined ? container.offset + 1 : end(before), child.offset);
  const behind = punctuation(text, end(child), after?.offset ?? close);
  const edits: Edit[] = [];
  if (behind.comma !== undefined) edits.push({ offset: behind.comma, length: 1, content: "" });
  else if (ahead.comma !== undefined) edits.push({ offset: ahead.comma, length: 1, content: "" });
  // A line comment that now stands in front must not swallow what followed the child.
  const rest = text.slice(behind.comma === undefined ? end(child) : behind.comma + 1);
  const keepLine = ahead.lineComment && !/^[ \t]*(?:\r?\n|$)/u.test(rest);
  edits.push({ offset: ahead.end, length: end(child) - ahead.end, content: keepLine ? lineEnd(text) : "" });
  const next = applyEdits(text, edits);
  const shorter = text.length - next.length;
  const emptied = next.slice(container.offset + 1, close - shorter);
  if (children.length > 1 || emptied.trim() !== "") return next;
  return next.slice(0, container.offset + 1) + next.slice(close - shorter);
}

/** Puts another value in a node's place. */
export function replaceNode(text: string, node: Node, value: unknown): string {
  const content = text.slice(node.offset, end(node)).includes("\n")
    ? render(text, value, indentAt(text, node.offset))
    : JSON.stringify(value);
  return applyEdits(text, [{ offset: node.offset, length: node.length, content }]);
}

/** A document of its own, indented by two blanks. */
export function jsonDocument(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Whether an object or array holds nothing, comments included. */
export function isBare(text: string, container: Node): boolean {
  return text.slice(container.offset + 1, end(container) - 1).trim() === "";
}

function end(node: Node): number {
  return node.offset + node.length;
}

/** Comments and commas from one child to the next or to the bracket. `end`: behind the last of them, or `from`. */
function punctuation(
  text: string,
  from: number,
  to: number,
): { readonly end: number; readonly comma: number | undefined; readonly lineComment: boolean } {
  let last = from;
  let comma: number | undefined;
  let lineComment = false;
  for (let at = from; at < to; ) {
    if (text.startsWith("//", at)) {
      while (at < to && text[at] !== "\n" && text[at] !== "\r") at++;
      lineComment = true;
    } else if (text.startsWith("/*", at)) {
      at = text.indexOf("*/", at) + 2;
      lineComment = false;
    } else if (text[at] === ",") {
      comma = at++;
      lineComment = false;
    } else {
      at++;
      continue;
    }
    last = at;
  }
  return { end: last, comma, lineComment };
}

function lineEnd(text: string): string {
  return /\r?\n/u.exec(text)?.[0] ?? "\n";
}

/** One step of indentation, as the text's first indented line has it. */
function unit(text: string): string {
  return /\n([ \t]+)["{[]/u.exec(text)?.[1] ?? "  ";
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf("\n", offset - 1) + 1;
}

function indentAt(text: string, offset: number): string {
  return /^[ \t]*/u.exec(text.slice(lineStart(text, offset), offset))?.[0] ?? "";
}

function opensLine(text: string, offset: number): boolean {
  return text.slice(lineStart(text, offset), offset).trim() === "";
}

function render(text: string, value: unknown, indent: string): string {
  return JSON.stringify(value, null, unit(text)).replaceAll("\n", lineEnd(text) + indent);
}
