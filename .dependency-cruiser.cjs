/** Import rules of the house (docs/adr/0003). */
const pure = '^libs/(content|detection|contracts)/src';
const test = '\\.test\\.ts$';

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'apps-never-import-each-other',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    { name: 'libs-never-import-apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'pure-libraries-have-no-nest-and-no-node-io',
      comment: 'They must be replayable: no framework, no clock, no I/O. node:zlib is computation only.',
      severity: 'error',
      from: { path: pure, pathNot: test },
      to: {
        path: '^(@nestjs/|node_modules/@nestjs/|typeorm|nats|(node:)?(fs|fs/promises|net|http|https|child_process|os|worker_threads|timers|timers/promises|process|perf_hooks|dgram|tls)$)',
      },
    },
    {
      name: 'pure-libraries-import-only-pure-libraries',
      severity: 'error',
      from: { path: pure, pathNot: test },
      to: { path: '^libs/(bus|config|ops|platform|testing)/' },
    },
    {
      name: 'only-the-bus-knows-nats',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: ['^libs/bus/', test] },
      to: { path: 'node_modules/nats/' },
    },
    {
      name: 'only-platform-calls-the-operating-system-natively',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '^libs/platform/' },
      to: { path: 'node_modules/koffi/' },
    },
    {
      name: 'testing-is-for-tests',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: [test, '/testing/', '\\.contract\\.ts$', '^libs/content/lab/'] },
      to: { path: '^libs/testing/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
