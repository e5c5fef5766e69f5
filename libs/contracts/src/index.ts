// The message classes' decorators need it, whoever imports them first.
import 'reflect-metadata';
export * from './actor';
export * from './commands';
export * from './file-batch';
export * from './incident';
export * from './message-size';
export * from './safe-text';
export * from './streams';
export * from './subjects';
export * from './validation';
export * from './vault-events';
export * from './verdict';
