/** What is to be done next about a case: decided from what is recorded alone, so that a restarted responder goes on where the last one was. */
import type { IncidentCase } from './incident-case';

export interface StepTimes {
  /** Quiet before the files of an actor that could not be stopped are restored (rules.md 7). */
  readonly unknownQuietMs: number;
  /** Quiet before an incident is closed by itself. */
  readonly closeQuietMs: number;
}

export const defaultStepTimes: StepTimes = { unknownQuietMs: 3000, closeQuietMs: 30_000 };

export interface StepSettings {
  readonly restore: boolean;
  readonly quarantine: boolean;
}

export type NextStep =
  | { readonly kind: 'pin' | 'undo' | 'programs' | 'restored' | 'close' | 'release' | 'none' }
  /** Nothing before this moment, epoch milliseconds, unless a verdict or the operator changes the case. */
  | { readonly kind: 'wait'; readonly untilMs: number };

export function nextStep(current: IncidentCase, settings: StepSettings, times: StepTimes, nowMs: number): NextStep {
  const { state } = current.incident;
  if (state === 'false_alarm') return { kind: current.release === 'wanted' ? 'release' : 'none' };
  if (state === 'closed') return { kind: 'none' };
  const acts = current.attack && current.handsOff === 'no';
  if (acts) {
    if (!current.pinned) return { kind: 'pin' };
    const undoWaiting = settings.restore && current.undo.done < current.undo.wanted && current.actors.length > 0;
    if (undoWaiting) {
      const quietAtMs = current.containment === 'done' ? 0 : current.lastVerdictAtMs + times.unknownQuietMs;
      if (quietAtMs <= nowMs) return { kind: 'undo' };
      if (current.programs.waiting.length === 0) return { kind: 'wait', untilMs: quietAtMs };
    }
    if (current.programs.waiting.length > 0) return { kind: 'programs' };
    if (settings.restore && state !== 'restored' && current.undo.done > 0 && !undoWaiting) return { kind: 'restored' };
  }
  if (current.handsOff === 'whitelist') return { kind: 'close' };
  if (current.heldOpen) return { kind: 'none' };
  const closeAtMs = current.lastVerdictAtMs + times.closeQuietMs;
  return closeAtMs <= nowMs ? { kind: 'close' } : { kind: 'wait', untilMs: closeAtMs };
}
