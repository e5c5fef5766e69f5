import type { WindowPlan } from './features';

/** Up to this size a file is judged whole. */
const wholeBytes = 256 * 1024;
const windowBytes = 64 * 1024;
/** Six windows over the file, all of which must look random, keep compressed types apart from ciphertext (statistics of the corpus). */
const windowCount = 7;

/** Which parts of a file to read: all of it up to 256 KiB, else head, tail and five windows between, 448 KiB in all. */
export function planSample(sizeBytes: number): WindowPlan[] {
  if (sizeBytes <= 0) return [];
  if (sizeBytes <= wholeBytes) return [{ offset: 0, length: sizeBytes }];
  const last = sizeBytes - windowBytes;
  const plans: WindowPlan[] = [];
  let end = 0;
  for (let index = 0; index < windowCount; index += 1) {
    // Page-aligned, except the tail, which must reach the end of the file.
    const wanted = index === windowCount - 1 ? last : Math.floor((last * index) / (windowCount - 1) / 4096) * 4096;
    const offset = Math.max(wanted, end);
    if (offset >= sizeBytes) break;
    const length = Math.min(windowBytes, sizeBytes - offset);
    plans.push({ offset, length });
    end = offset + length;
  }
  return plans;
}

/** Where to compare two contents at the same offsets: the sample of the shorter one. */
export function planComparison(sizeBefore: number, sizeAfter: number): WindowPlan[] {
  return planSample(Math.min(sizeBefore, sizeAfter));
}
