import type { Filter, Pane, Rollup, Session, Window } from "../../../gen/agtmux/v1/state_pb.js";
import { invalidArgument } from "../contract-error.js";
import { needsAction } from "../engine/state.js";
import { stateName } from "./rows.js";

/** Most entries of one list of a filter. */
const MAX_WORDS = 256;
const MAX_CHARS = 512;

interface Place {
  readonly target: string;
  readonly sessions: readonly string[];
}

/** A checked filter. */
export interface Matcher {
  readonly targets: ReadonlySet<string>;
  pane(pane: Pane): boolean;
  window(window: Window): boolean;
  session(session: Session): boolean;
}

function words(field: string, values: readonly string[]): ReadonlySet<string> {
  if (values.length > MAX_WORDS) throw invalidArgument(field, `at most ${MAX_WORDS} values`);
  for (const value of values) {
    if (value === "" || value.length > MAX_CHARS)
      throw invalidArgument(field, `1 to ${MAX_CHARS} characters each`);
  }
  return new Set(values);
}

/** Checks a filter. Throws ContractError E_INVALID_ARGUMENT. */
export function matcher(filter: Filter | undefined): Matcher {
  const targets = words("filter.targets", filter?.targets ?? []);
  const targetSessions = words("filter.target_sessions", filter?.targetSessions ?? []);
  for (const pair of targetSessions) {
    if (!pair.includes("/")) throw invalidArgument("filter.target_sessions", 'must be "target/session"');
  }
  const sessions = words("filter.sessions", filter?.sessions ?? []);
  const agents = words("filter.agents", filter?.agents ?? []);
  const states = new Set(
    (filter?.states ?? []).map((state) => {
      const name = stateName(state);
      if (name === undefined) throw invalidArgument("filter.states", "no such state");
      return name;
    }),
  );
  const wanted = filter?.needsAction;
  const plain = filter?.includePlain ?? false;

  const place = ({ target, sessions: names }: Place): boolean =>
    (targets.size === 0 || targets.has(target)) &&
    (sessions.size === 0 || names.some((name) => sessions.has(name))) &&
    (targetSessions.size === 0 || names.some((name) => targetSessions.has(`${target}/${name}`)));

  const rolled = (counts: Rollup | undefined): boolean => {
    if (counts === undefined || counts.agents === 0) {
      return plain && states.size === 0 && agents.size === 0 && wanted !== true;
    }
    return (
      (states.size === 0 || [...states].some((state) => (counts.byState[state] ?? 0) > 0)) &&
      (agents.size === 0 || [...agents].some((agent) => (counts.byAgent[agent] ?? 0) > 0)) &&
      (wanted === undefined || counts.needsAction > 0 === wanted)
    );
  };

  return {
    targets,
    pane({ identity, alsoIn, agent }) {
      if (!place({ target: identity?.target ?? "", sessions: [identity?.sessionName ?? "", ...alsoIn] }))
        return false;
      if (agent === undefined) return plain && states.size === 0 && agents.size === 0 && wanted !== true;
      const state = stateName(agent.state) ?? "unknown";
      return (
        (states.size === 0 || states.has(state)) &&
        (agents.size === 0 || agents.has(agent.agentType)) &&
        (wanted === undefined || needsAction(state) === wanted)
      );
    },
    window({ identity, rollup }) {
      return (
        place({ target: identity?.target ?? "", sessions: [identity?.sessionName ?? ""] }) && rolled(rollup)
      );
    },
    session({ identity, rollup }) {
      return (
        place({ target: identity?.target ?? "", sessions: [identity?.sessionName ?? ""] }) && rolled(rollup)
      );
    },
  };
}
