export { compareContents, type ComparedContent } from './compare';
export { describeContent, type DescribeInput } from './describe';
export type { ContentWindow, WindowPlan } from './features';
export { planComparison, planSample } from './plan';
export { encryptedTypes, typeOfExtension } from './types';
