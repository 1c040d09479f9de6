import type { History } from "../client/history.js";
import { breach } from "./breach.js";

export const HANDOVER = "A daemon that ends never removes its successor's socket";

export function validateHandover(history: History): string[] {
  const lost = history.of("handover").filter(({ reachable }) => !reachable);
  return breach(
    HANDOVER,
    lost.map(({ at }) => `at ${at} ms`),
  );
}
