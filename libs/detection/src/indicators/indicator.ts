import type { Finding, Replacement } from '../observation';

/** Looks at one lost content and says what it finds, or nothing. Pure: the same replacement always gives the same finding. */
export interface Indicator {
  readonly name: string;
  judge(replacement: Replacement): Finding | undefined;
}
