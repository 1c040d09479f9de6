import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface StateFile {
  /** Below the state directory. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every byte of a state directory but the spool, which holds raw events by nature; names included. */
export function stateFiles(stateDir: string): StateFile[] {
  const files: StateFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(stateDir, folder), { withFileTypes: true })) {
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (name === "spool.d") continue;
      if (entry.isDirectory()) walk(name);
      const bytes = entry.isFile() ? readFileSync(join(stateDir, name)) : Buffer.alloc(0);
      files.push({ name, bytes: Buffer.concat([Buffer.from(`${name}\n`), bytes]) });
    }
  };
  walk("");
  return files;
}
