/** What the responder knows about one attack: the incident as shown outside, and how far the response has come. Plain data, stored as JSON. */
import type { Incident, JournalPosition, ProcessRef } from '@kuramori/contracts';
import type { ProgramCandidate } from './programs';

/** Version of the stored form; a change that old code can't read raises it and comes with a migration. */
export const caseFormat = 1;

/** How the actor was dealt with. `impossible`: it is unknown, or must not be stopped; then files are restored when it has been quiet. */
export type Containment = 'pending' | 'done' | 'impossible' | 'not-wanted';

export interface CaseActor {
  readonly key: string;
  readonly firstActivityAtMs: number;
}

export interface IncidentCase {
  readonly format: typeof caseFormat;
  readonly attackId: string;
  readonly incident: Incident;
  /** Number of the last event published about it; the next is one more. */
  readonly eventCount: number;
  /** Ids of the verdicts handled, newest last, bounded: a replayed verdict acts once. */
  readonly verdictIds: readonly string[];
  /** Whether an `attack` verdict was seen; warnings alone are only recorded. */
  readonly attack: boolean;
  /** Judged in observe mode, or by whitelisted programs alone: nothing was and will be done. */
  readonly handsOff: 'no' | 'observe' | 'whitelist';
  /** Actors whose changes are undone. */
  readonly actors: readonly CaseActor[];
  /** Actors beyond those that a case holds: their changes are not undone with it. */
  readonly actorsNotListed?: number;
  /** For unknown actors: directories below which their changes are undone. */
  readonly below: readonly string[];
  readonly containment: Containment;
  /** Processes stopped but not ended (settings: kill false); resumed by `false-alarm`. */
  readonly suspended: readonly ProcessRef[];
  /** When the responder last got a verdict about it, epoch milliseconds. */
  readonly lastVerdictAtMs: number;
  readonly pinned: boolean;
  /** Rounds of undo: one more is wanted with each verdict that brings actors or later activity. */
  readonly undo: { readonly wanted: number; readonly done: number; readonly started: number; readonly position?: JournalPosition };
  readonly programs: { readonly waiting: readonly ProgramCandidate[]; readonly seen: readonly string[] };
  /** The operator called it a false alarm and what was changed is still to be put back. */
  readonly release: 'no' | 'wanted' | 'done';
  /** The operator opened it again: it is not closed by quiet. */
  readonly heldOpen: boolean;
}
