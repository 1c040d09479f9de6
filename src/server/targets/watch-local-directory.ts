import { type FSWatcher, statSync, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Closable } from "../adapters/contract.js";

const POLL_MS = 1_000;
/** Most entries of one directory that are compared or named at once. */
const MAX_ENTRIES = 2_000;

/** Each entry's name, and what changes when it does. */
type Entries = Map<string, string>;

/**
 * Calls back with the name of each entry of a directory that appears, changes or goes, from now on. A directory
 * that does not exist, goes away or cannot be watched is looked at once a second; when it (re)appears, every
 * entry in it counts as changed. Several changes of one entry within a turn of the event loop are one call.
 */
export function watchLocalDirectory(path: string, onChange: (name: string) => void): Closable {
  let closed = false;
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let flush: NodeJS.Immediate | undefined;
  /** The entries at the last look; undefined: the directory was not there. */
  let seen: Entries | undefined;
  const changed = new Set<string>();

  const note = (name: string): void => {
    changed.add(name);
    flush ??= setImmediate(() => {
      flush = undefined;
      const names = [...changed];
      changed.clear();
      for (const each of names) if (!closed) onChange(each);
    });
  };

  const noteDifferences = (entries: Entries | undefined): void => {
    for (const [name, version] of entries ?? []) if (seen?.get(name) !== version) note(name);
    for (const name of seen?.keys() ?? []) if (entries?.has(name) !== true) note(name);
    seen = entries;
  };

  const later = (): void => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(look, POLL_MS).unref();
  };

  const lose = (): void => {
    watcher?.close();
    watcher = undefined;
    seen = undefined;
    later();
  };

  /** Reports whether the directory is watched now. */
  const tryWatch = (): boolean => {
    try {
      watcher = watch(path, { persistent: false }, (event, name) => {
        if (name === null) return;
        // A directory announces its own end under its own name; an entry may bear that name too.
        if (event === "rename" && name === basename(path) && identity(path) !== watched) lose();
        note(name);
      });
      watcher.on("error", lose);
    } catch {
      return false;
    }
    const watched = identity(path);
    return true;
  };

  const look = async (): Promise<void> => {
    const watching = tryWatch();
    const entries = await readEntries(path);
    if (closed) return;
    noteDifferences(entries);
    if (!watching) later();
    else if (entries === undefined) lose();
  };

  if (!tryWatch()) {
    // It may be there and yet not be watchable (the user's inotify watches are used up): learn what is there.
    void readEntries(identity(path) === undefined ? undefined : path).then((entries) => {
      seen = entries;
      later();
    });
  }
  return {
    close() {
      closed = true;
      watcher?.close();
      clearTimeout(timer);
      clearImmediate(flush);
    },
  };
}

/** What tells a directory from another of the same name; a number alone may be used again at once. */
function identity(path: string): string | undefined {
  try {
    const stats = statSync(path);
    return `${stats.ino} ${stats.birthtimeMs}`;
  } catch {
    return undefined;
  }
}

/** Each entry with what shows that it changed; undefined if the directory cannot be read. */
async function readEntries(path: string | undefined): Promise<Entries | undefined> {
  if (path === undefined) return undefined;
  try {
    const names = (await readdir(path)).slice(0, MAX_ENTRIES);
    const entries = await Promise.all(
      names.map(async (name): Promise<[string, string]> => {
        const stats = await stat(join(path, name)).catch(() => undefined);
        return [name, `${stats?.ino} ${stats?.size} ${stats?.mtimeMs}`];
      }),
    );
    return new Map(entries);
  } catch {
    return undefined;
  }
}
