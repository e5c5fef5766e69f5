export * from './documents/manifest';
export * from './documents/random';
export * from './documents/share';
export * from './system/installation';
export * from './system/mailbox';
export * from './system/ports';
export * from './system/wait';
export * from './system/program';
