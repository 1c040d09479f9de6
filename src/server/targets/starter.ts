/**
 * What a kept `sh` runs: it reads the ends of argument lists, whose beginnings it was given itself, and starts a program
 * with each as it is. Words are data that it reads, never text that it parses. A list that is cut off is not run.
 *
 * A task is a line with a marker, then words, then `!`; or `?`, which runs nothing. A word's last line begins with `.`,
 * those before with `+`; of what the program is fed, the last line begins with `<`. Names begin with agtmux_, for what the
 * environment holds is the program's.
 */
export const STARTER = `IFS=
agtmux_n='
'
agtmux_task() {
  agtmux_p= agtmux_i=
  while read -r agtmux_w || exit; do
    case $agtmux_w in
      .*) set -- "$@" "$agtmux_p\${agtmux_w#.}"; agtmux_p= ;;
      +*) agtmux_p=$agtmux_p\${agtmux_w#+}$agtmux_n ;;
      '<'*) agtmux_i=$agtmux_w agtmux_f=$agtmux_p\${agtmux_w#<}; agtmux_p= ;;
      *) break ;;
    esac
  done
  printf '%s{' "$agtmux_m"; printf '%s{' "$agtmux_m" >&2
  case $agtmux_w$agtmux_i in
    '?') : ;;
    '!') "$@" </dev/null ;;
    '!<'*) printf %s "$agtmux_f" | "$@" ;;
    *) exit ;;
  esac
  printf '%s}%s\\n' "$agtmux_m" "$?"; printf '%s}\\n' "$agtmux_m" >&2
}
while read -r agtmux_m; do agtmux_task "$@"; done
`;

/** A task that runs nothing. */
export const NOTHING = "?\n";

/** The end of an argument list, and what the program is fed, as a task. Throws RangeError on a NUL. */
export function startTask(words: readonly string[], stdin?: Uint8Array): Buffer {
  return Buffer.concat([
    ...words.map((word) => asLines(Buffer.from(word), ".")),
    ...(stdin === undefined ? [] : [asLines(Buffer.from(stdin), "<")]),
    Buffer.from("!\n"),
  ]);
}

const NEWLINE = 0x0a;

function asLines(word: Buffer, last: string): Buffer {
  if (word.includes(0)) throw new RangeError("a word for a program holds a NUL");
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = word.indexOf(NEWLINE); at >= 0; at = word.indexOf(NEWLINE, from)) {
    pieces.push(Buffer.from("+"), word.subarray(from, at + 1));
    from = at + 1;
  }
  return Buffer.concat([...pieces, Buffer.from(last), word.subarray(from), Buffer.from("\n")]);
}
