import { baseName, type Finding } from '../observation';

/** Nobody has a reason to change a decoy. */
export function canary(path: string, what: 'changed' | 'renamed' | 'deleted'): Finding {
  return { indicator: 'canary', path, weight: 80, technique: 'T1486', summary: `the decoy ${baseName(path)} was ${what}` };
}
