export * from './health/health-details';
export * from './health/health-registry';
export { OpsModule } from './health/ops.module';
export { ServiceLogger } from './log/service-logger';
export { runService, type ServiceContext, type ServiceDefinition } from './service/run-service';
export { registerGauge, serviceMetrics } from './service/service-metrics';
export { StartError } from './service/start-error';
export * from './tokens';
