/** One piece of a file that was read: where it stood and its bytes. */
export interface ContentWindow {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Where to read. Windows don't overlap and are in ascending order. */
export interface WindowPlan {
  readonly offset: number;
  readonly length: number;
}
