export { DetectionEngine, type DetectionOptions } from './engine';
