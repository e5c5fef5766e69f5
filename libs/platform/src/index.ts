export * from './own-processes';
export * from './path-text';
export * from './process-control';
export * from './sensor';
