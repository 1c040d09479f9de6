// Draws an input box as Claude Code does, takes what is typed there, and writes down every byte that reaches it. Beside
// `<folder>/<pid>.` it keeps: tty (what was received), submitted (a line of JSON for each Enter that was taken), shown
// (the number of the picture that it draws). What it draws, and how it behaves, it reads from `picture`.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";

const [folder] = process.argv.slice(2);
const file = (name) => `${folder}/${process.pid}.${name}`;
const LOOK_MS = 10;
const RULE = "─".repeat(60);

let picture = { number: 0 };
let draft = "";
let pasting = false;
let interrupts = 0;

function draw() {
  const { above = [], dialog, footer = "  ? for shortcuts", mute = false, stray = "" } = picture;
  const text = mute ? "" : draft;
  const [first = "", ...more] = text.split("\n");
  const box = [RULE, `❯ ${first}`, ...more.map((line) => `  ${line}`), RULE, footer];
  const lines = dialog ?? [...above, ...box];
  const row = above.length + 2 + more.length;
  const column = 3 + (more.at(-1) ?? first).length;
  const cursor = dialog === undefined ? `\x1b[${row};${column}H` : "";
  process.stdout.write(`\x1b[H\x1b[2J${lines.join("\r\n")}${cursor}${stray}`);
}

function look() {
  let read;
  try {
    read = JSON.parse(readFileSync(file("picture"), "utf8"));
  } catch {
    return; // none yet
  }
  if (read.number === picture.number) return;
  picture = read;
  if (picture.draft !== undefined) draft = picture.draft;
  draw();
  writeFileSync(file("shown"), String(picture.number));
}

function submit() {
  if (picture.holdsEnter === true) return;
  appendFileSync(file("submitted"), `${JSON.stringify(draft)}\n`);
  draft = "";
}

function answered(key) {
  appendFileSync(file("answered"), key);
  if (picture.dialogStays === true) return;
  picture = { ...picture, dialog: undefined };
}

/** One key or character. */
function take(token) {
  if (token === "\x1b[200~") pasting = true;
  else if (token === "\x1b[201~") pasting = false;
  else if (pasting) draft += token === "\r" ? "\n" : token;
  else if (token === "\x03") {
    interrupts += 1;
    if (picture.endsAfter === interrupts) process.exit(0);
  } else if (picture.dialog !== undefined) answered(token);
  else if (token === "\r") submit();
  else if (token === "\n") draft += "\n";
  else if (token >= " " && token.length <= 2) draft += token;
}

process.stdin.setRawMode(true);
process.stdin.on("data", (bytes) => {
  appendFileSync(file("tty"), bytes);
  for (const [token] of bytes.toString("utf8").matchAll(/\x1b\[[0-9;]*[~A-Za-z]|./gsu)) take(token);
  draw();
});
process.stdin.on("end", () => process.exit(0));
process.on("SIGINT", () => {
  if (picture.endsAfter !== undefined) process.exit(0);
});
process.stdout.write("\x1b[?2004h");
draw();
setInterval(look, LOOK_MS);
