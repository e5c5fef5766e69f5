/** Injection token of the `Settings`. */
export const SETTINGS = Symbol('SETTINGS');
/** Injection token of the service's own prom-client `Registry`: register counters with `registers: [registry]`. */
export const METRICS = Symbol('METRICS');
