import { baseName, type Finding } from '../observation';

type CanaryTouch = 'changed' | 'renamed' | 'deleted';
/** Who deletes or moves a whole tree takes its decoys along. */
const weights: Readonly<Record<CanaryTouch, number>> = { changed: 60, renamed: 30, deleted: 20 };

/** Nobody has a reason to change a decoy. */
export function canary(path: string, touch: CanaryTouch): Finding {
  const summary = `the decoy ${baseName(path)} was ${touch}`;
  return { indicator: 'canary', kind: 'harm', weight: weights[touch], technique: 'T1486', summary, decisive: touch === 'changed' };
}
